"""What the metrics measure, against plain formulas and against other libraries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import top_k_accuracy_score

from burnish.calibration.gate.budget import Budget, parse_budgets
from burnish.calibration.gate.metrics import Answers, noise_share
from burnish.errors import UserError

EXACT = Answers([{"y": np.array([[1.0, 0.0, 3.0]])}, {"y": np.array([[2.0, 5.0, -1.0]])}])
OURS = Answers([{"y": np.array([[1.0, 0.0, 3.0]])}, {"y": np.array([[6.0, 5.0, -1.0]])}])
WORDS = ("cos=1e-3", "sqnr=30dB", "psnr=40dB", "ssim=0.99", "top1=1%", "top2=1%", "map=0.01", "spearman=0.01")


def budget(word: str) -> Budget:
    (found,) = parse_budgets(word).each
    return found


def test_cosine_is_a_mean_over_samples() -> None:
    a, b = EXACT.outputs[1]["y"][0], OURS.outputs[1]["y"][0]
    wanted = (1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)) / 2
    assert budget("cos=1e-3").found(OURS, EXACT, None) == pytest.approx(wanted)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_no_distance_is_met_by_numbers_that_f32_does_not_have(odd: float) -> None:
    ours = Answers([EXACT.outputs[0], {"y": np.array([[odd, 5.0, -1.0]])}])
    assert budget("cos=1e-3").found(ours, EXACT, None) == pytest.approx(0.5)
    for word in ("cos=1e-3", "sqnr=30dB", "psnr=40dB"):
        found = budget(word).found(ours, EXACT, None)
        assert not budget(word).is_met(found) and budget(word).excess(found) > 0


def outputs_for(word: str, random: np.random.Generator) -> Any:
    """Outputs that the metric takes."""
    if word.startswith("map"):
        corners = random.uniform(0, 10, (4, 2))
        return {"boxes": np.concatenate([corners, corners + 5], 1), "scores": random.uniform(0.6, 1, 4)}
    if word.startswith("ssim"):
        return {"y": random.normal(size=(1, 1, 9, 9))}
    return {"y": random.normal(size=(1, 1)) if word.startswith("spearman") else random.normal(size=(1, 5))}


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("labelled", [False, True])
def test_f32_itself_meets_every_budget_and_what_is_nan_everywhere_meets_none(word: str, labelled: bool) -> None:
    random, (name, *_) = np.random.default_rng(5), word.partition("=")
    exact = Answers([outputs_for(word, random) for _ in range(6)])
    nan = Answers(
        [{k: a if k == "boxes" else np.full_like(a, np.nan) for k, a in out.items()} for out in exact.outputs]
    )
    labels: Any = None
    if labelled and name in ("top1", "top2"):
        labels = np.array([int(out["y"].argmax()) for out in exact.outputs])
    elif labelled and name == "spearman":
        labels = np.array([float(out["y"][0, 0]) for out in exact.outputs])
    elif labelled and name == "map":
        labels = [{"boxes": out["boxes"]} for out in exact.outputs]
    assert budget(word).is_met(budget(word).found(exact, exact, labels))
    assert not budget(word).is_met(budget(word).found(nan, exact, labels))


def test_what_is_no_number_in_f32_either_is_left_out() -> None:
    exact, ours = Answers([{"y": np.array([np.nan, 3.0, 4.0])}]), Answers([{"y": np.array([np.nan, 4.0, 3.0])}])
    assert budget("cos=1e-3").found(ours, exact, None) == pytest.approx(1 - 24 / 25)


def test_decibels_are_of_all_samples_together() -> None:
    assert budget("sqnr=30dB").found(OURS, EXACT, None) == pytest.approx(10 * np.log10((10 + 30) / 16))
    assert budget("psnr=40").found(OURS, EXACT, None) == pytest.approx(10 * np.log10(36 / (16 / 6)))
    assert budget("sqnr=30dB").found(EXACT, EXACT, None) == np.inf
    assert noise_share(OURS, EXACT) == pytest.approx(16 / 40) and noise_share(EXACT, EXACT) == 0


def test_top1_counts_labels_if_there_are_any() -> None:
    top1 = budget("top1=0.5%")
    assert top1.found(OURS, EXACT, None) == 50.0
    assert top1.found(OURS, EXACT, np.array([2, 1])) == 50.0
    assert top1.found(OURS, EXACT, np.array([2, 0])) == -50.0
    with pytest.raises(UserError, match="labels do not fit") as caught:
        top1.found(OURS, EXACT, np.array([2]))
    assert caught.value.code == "E727"


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0], [0.5, 1], [np.nan, 1], ["cat", "dog"]])
def test_labels_that_are_no_class_of_the_model_do_not_fit(labels: list[object]) -> None:
    exact = Answers([{"y": np.array([[5.0, 1.0, 0.0], [1.0, 5.0, 0.0]])}])
    with pytest.raises(UserError, match="labels do not fit") as caught:
        budget("top1=1%").found(exact, exact, np.array(labels))
    assert caught.value.code == "E727" and "from 0 to 2" in str(caught.value)
    assert budget("top1=1%").found(exact, exact, np.array([0.0, 2.0])) == 0


def test_a_row_with_a_nan_is_no_class() -> None:
    exact = Answers([{"y": np.array([[5.0, 1.0], [1.0, 5.0]])}])
    ours = Answers([{"y": np.array([[np.nan, 1.0], [1.0, 5.0]])}])
    assert budget("top1=1%").found(ours, exact, None) == 50.0
    assert budget("top2=1%").found(ours, exact, np.array([0, 1])) == 50.0


@pytest.mark.parametrize("k", [1, 2, 5])
def test_topk_is_that_of_scikit_learn(k: int) -> None:
    random = np.random.default_rng(k)
    theirs, mine, truth = random.normal(size=(60, 8)), random.normal(size=(60, 8)), random.integers(0, 8, 60)
    found = budget(f"top{k}=1%").found(Answers([{"y": mine}]), Answers([{"y": theirs}]), truth)
    wanted = [top_k_accuracy_score(truth, scores, k=k, labels=range(8)) for scores in (theirs, mine)]
    assert found == pytest.approx((wanted[0] - wanted[1]) * 100)


def test_boxes_are_compared_with_those_of_f32_or_with_labels() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [20, 20, 30, 30]])
    exact = Answers([{"boxes": boxes[None], "scores": np.array([[0.9, 0.8]])}])
    half = Answers([{"boxes": boxes[None, :1], "scores": np.array([[0.9]])}])
    assert budget("map=0.01").found(exact, exact, None) == pytest.approx(0, abs=1e-9)
    loss = budget("map=0.01").found(half, exact, None)
    assert loss == pytest.approx(0.495, abs=0.01)  # one of two: 51 of 101 recalls
    assert budget("map=0.01").found(half, exact, [{"boxes": boxes}]) == pytest.approx(loss)
    unsure = Answers([{"boxes": boxes, "scores": np.array([0.9, 0.1])}])
    assert budget("map=0.01").found(half, unsure, None) == pytest.approx(0, abs=1e-9)


def test_ranks_and_texts_are_compared_with_labels_or_with_f32() -> None:
    exact, ours = ([{"y": np.array([n], float)} for n in row] for row in ([1, 2, 3], [1, 3, 2]))
    spearman, wer = budget("spearman=0.005"), budget("wer=0.01")
    assert spearman.found(Answers(ours), Answers(exact), None) == pytest.approx(0.5)
    assert spearman.found(Answers(ours), Answers(exact), [1, 3, 2]) == pytest.approx(-0.5)
    told, heard = Answers([], ["a b c d"]), Answers([], ["a x c d"])
    assert wer.found(heard, told, None) == pytest.approx(0.25)
    assert wer.found(heard, told, ["a x c d"]) == pytest.approx(-0.25)


@pytest.mark.parametrize(
    ("word", "outputs"),
    [
        ("wer=0.1", {"y": np.zeros(3)}),
        ("map=0.1", {"y": np.zeros(3)}),
        ("ssim=0.9", {"y": np.zeros((3, 3))}),
        ("ssim=0.9", {"y": np.zeros(30)}),
        ("spearman=0.1", {"y": np.zeros((3, 2))}),
        ("top5=1%", {"y": np.zeros((1, 3))}),
    ],
)
def test_outputs_that_a_metric_cannot_take_are_refused(word: str, outputs: dict[str, Any]) -> None:
    with pytest.raises(UserError) as caught:
        budget(word).found(Answers([outputs]), Answers([outputs]), None)
    assert caught.value.code == "E764"


def test_cosine_of_a_batch_is_that_of_its_rows() -> None:
    random = np.random.default_rng(3)
    ours, exact = random.normal(size=(2, 6, 4)), random.normal(size=(2, 6, 4))
    apart = [Answers([{"y": a[n : n + 1]} for n in range(6)]) for a in (ours[0], exact[0])]
    together = [Answers([{"y": a[:4]}, {"y": a[4:]}], rows=[4, 2]) for a in (ours[0], exact[0])]
    assert budget("cos=1").found(*together, None) == pytest.approx(budget("cos=1").found(*apart, None))
    odd = [Answers([{"y": a, "n": np.zeros(3)}], rows=[6]) for a in (ours[0], exact[0])]  # no row has its own part of n
    whole = [Answers([{"y": a}]) for a in (ours[0], exact[0])]
    assert budget("cos=1").found(*odd, None) == pytest.approx(budget("cos=1").found(*whole, None))
