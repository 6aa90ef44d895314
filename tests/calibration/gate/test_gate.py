"""The gate on whole models: the finished plan, measured apart, meets the budget; a planted layer is raised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import burnish
from burnish.calibration import Evaluation, accuracy_of, build_within, calibrate, load_ranges, meet_budget, save_ranges
from burnish.errors import UserError
from burnish.precision.ranges import Range, Ranges
from tests.end_to_end.architectures import SMALL

RESNET = SMALL["resnet"]
DATA = [RESNET.feeds(1, seed=100 + n) for n in range(4)]


@pytest.fixture(scope="module")
def model() -> bytes:
    return RESNET.make()


@pytest.fixture(scope="module")
def ranges(model: bytes) -> Ranges:
    return calibrate(model, [RESNET.feeds(1, seed=n) for n in range(4)])


def error_of(model: bytes, plan: Any) -> float:
    """1 - cosine of the plan, against ONNX Runtime in f32."""
    session, found = onnxruntime.InferenceSession(model), []
    with burnish.load(plan, threads=1) as engine:
        for sample in DATA:
            a, b = next(iter(engine(sample).values())).ravel(), session.run(None, sample)[0].ravel()
            found.append(1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    return float(np.mean(found))


def error(model: bytes, ranges: Ranges) -> float:
    return error_of(model, burnish.build(model, precision="int8", ranges=ranges))


def test_a_loose_budget_raises_nothing(model: bytes, ranges: Ranges) -> None:
    found = meet_budget(model, ranges, DATA, "cos=1e-2", threads=1)
    assert not found.kept and found.accuracy is not None
    assert found.accuracy.budgets[0].found == pytest.approx(error(model, ranges), rel=0.02)


def test_a_tight_budget_is_met_by_the_finished_plan_in_few_passes(model: bytes, ranges: Ranges) -> None:
    whole, passes = error(model, ranges), set[str]()
    found = meet_budget(
        model, ranges, DATA, f"cos={whole / 4:.3e}", threads=1, progress=lambda what, done, total: passes.add(what)
    )
    measured = found.accuracy
    assert 0 < len(found.kept) < len(measured.layers) and len(passes) <= 60
    assert error(model, found) <= whole / 4
    assert set(measured.raised) == found.kept
    assert {0, len(found.kept), len(measured.layers)} <= {point.raised for point in measured.curve}


def test_the_layer_whose_range_is_wrong_is_raised(model: bytes, ranges: Ranges) -> None:
    name = sorted(ranges.tensors)[3]
    planted = Ranges(ranges.tensors | {name: Range(0.0, ranges.tensors[name].high * 0.02)}, ranges.graph)
    found = meet_budget(model, planted, DATA, "sqnr=25dB", threads=1)
    decisions: list = []
    burnish.build(model, precision="int8", ranges=planted, explain_precision=decisions.append)
    assert {d.node for d in decisions if d.why.startswith(f"{name} is")} <= found.kept
    assert len(found.kept) <= 3


def test_all_of_several_budgets_are_met(model: bytes, ranges: Ranges) -> None:
    def largest(ours: Any, exact: Any, labels: Any) -> float:
        return max(float(np.abs(next(iter(a.values())) - next(iter(b.values()))).max()) for a, b in zip(ours, exact))

    loose = meet_budget(model, ranges, DATA, ["cos=1", (largest, 1e9)], threads=1).accuracy.budgets
    tight = ["cos=1", (largest, loose[1].found / 3)]
    found = meet_budget(model, ranges, DATA, tight, threads=1)
    assert found.kept and found.accuracy.budgets[1].found <= loose[1].found / 3
    assert found.accuracy.budgets[1].unraised == pytest.approx(loose[1].found)


def test_a_build_in_bf16_is_judged_and_raised_too() -> None:
    random = np.random.default_rng(3)
    weights = [random.normal(0, 0.3, (16, 16)).astype(np.float32) for _ in range(3)]
    nodes = [onnx.helper.make_node("MatMul", [f"x{n}", f"w{n}"], [f"x{n + 1}"], name=f"product{n}") for n in range(3)]
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [4, 16]) for name in ("x0", "x3")]
    stored = [onnx.numpy_helper.from_array(w, f"w{n}") for n, w in enumerate(weights)]
    graph = onnx.helper.make_graph(nodes, "products", ends[:1], ends[1:], stored)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]).SerializeToString()
    data = [{"x0": random.normal(size=(4, 16)).astype(np.float32)} for _ in range(2)]

    exact = np.linalg.multi_dot([w.astype(float) for w in weights])

    def noise(plan: Any) -> float:
        with burnish.load(plan, threads=1) as engine:
            pairs = [(engine(x)["x3"].astype(float), x["x0"].astype(float) @ exact) for x in data]
        return sum(((a - b) ** 2).sum() for a, b in pairs) / sum((b**2).sum() for _, b in pairs)

    limit, told = noise(burnish.build(model, precision="bf16")) / 2, list[Any]()
    word = f"sqnr={-10 * np.log10(limit):.3f}dB"
    plan = build_within(model, word, Evaluation(data), precision="bf16", threads=1, explain_precision=told.append)
    measured = accuracy_of(plan)
    assert measured is not None and measured.raised and {row.form for row in measured.layers} == {"bf16", "f32"}
    assert noise(plan) <= limit * 1.01
    assert {row.node for row in told if row.now != row.was}.isdisjoint(measured.raised)


def test_a_build_in_f32_has_nothing_to_judge(model: bytes) -> None:
    with pytest.raises(UserError, match="no accuracy to measure") as caught:
        build_within(model, "cos=1", Evaluation(DATA), precision="fp32")
    assert caught.value.code == "E766"


def test_what_nothing_meets_is_refused_with_what_was_measured_and_which_layers_cost_most(
    model: bytes, ranges: Ranges
) -> None:
    with pytest.raises(UserError, match=r"the nearest was cos [0-9.e-]+, on 1 samples") as caught:
        meet_budget(model, ranges, DATA[:1], "cos=1e-15", threads=1)
    assert caught.value.code == "E728" and " alone: cos " in caught.value.why


def test_no_data_and_odd_labels_are_refused(model: bytes, ranges: Ranges) -> None:
    for data, labels, code in (([], None, "E721"), (DATA[:1], [1, 2], "E727")):
        with pytest.raises(UserError) as caught:
            meet_budget(model, ranges, data, "top1=1%", labels=labels, threads=1)
        assert caught.value.code == code


def test_what_was_measured_is_kept_in_the_file(model: bytes, ranges: Ranges, tmp_path: Path) -> None:
    found = meet_budget(model, ranges, DATA[:1], f"cos={error(model, ranges) / 4:.3e}", threads=1)
    save_ranges(found, tmp_path / "r.json")
    assert load_ranges(tmp_path / "r.json") == found


def test_rows_are_counted_and_not_runs_and_passes_are_told(model: bytes, ranges: Ranges) -> None:
    rows = np.concatenate([next(iter(each.values())) for each in DATA])
    ((name, _),) = DATA[0].items()
    whole, passes = error(model, ranges), set[str]()
    told = {"threads": 1, "progress": lambda what, done, total: passes.add(what)}
    found = meet_budget(model, ranges, [{name: rows}], f"cos={whole / 4:.3e}", batch="1:4:4", **told)
    measured = found.accuracy
    assert measured.samples == len(rows) and measured.passes == len(passes) and found.kept
    assert meet_budget(model, ranges, DATA, "cos=1", threads=1).accuracy.passes == 2


def test_nan_in_the_data_is_told_and_what_f32_itself_misses_is_refused_at_once(model: bytes, ranges: Ranges) -> None:
    odd = [{name: np.where(np.arange(a.size).reshape(a.shape) == 0, np.nan, a) for name, a in DATA[1].items()}]
    measured = meet_budget(model, ranges, [*DATA[:1], *odd], "cos=1", threads=1).accuracy
    assert "1 of 2 samples holds NaN or Inf in an input" in measured.notes[0] and "sample 1" in measured.notes[0]
    for budgets, code in (("sqnr=1dB", "E764"), ("top1=1%", "E728")):
        with pytest.raises(UserError, match="sample 1, counted from 0") as caught:
            meet_budget(model, ranges, [*DATA[:1], *odd], budgets, threads=1)
        assert caught.value.code == code
    assert "f32 beside itself is top1 50%" in caught.value.why and "after 2 passes" in caught.value.why
