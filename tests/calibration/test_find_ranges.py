"""Calibration on whole models: ranges against numpy over ONNX Runtime's tensors, plans against the quantised model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import burnish
from burnish.calibration import calibrate, quantised_model
from burnish.errors import UserError
from tests.end_to_end.architectures import SMALL

DIGITS = Path(__file__).parents[2] / "examples" / "digits.onnx"
SAMPLES = DIGITS.with_name("digits_samples.npz")


def images(count: int = 6) -> list[dict[str, np.ndarray]]:
    return [SMALL["resnet"].feeds(1, seed=n) for n in range(count)]


def test_ranges_are_the_extremes_of_what_products_read() -> None:
    model = SMALL["resnet"].make()
    found = calibrate(model, images(), method="minmax")
    proto = onnx.load_from_string(model)
    known = [name for name in found.tensors if any(name in node.output for node in proto.graph.node)]
    assert len(known) > 3
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in known)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    seen = [session.run(known, sample) for sample in images()]
    for index, name in enumerate(known):
        low, high = min(s[index].min() for s in seen), max(s[index].max() for s in seen)
        assert (found.tensors[name].low, found.tensors[name].high) == pytest.approx((low, high), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", ["resnet", "mobilenet_v2", "vit", "distilbert"])
def test_a_plan_gives_the_answers_of_its_quantised_model(name: str) -> None:
    architecture = SMALL[name]
    samples = [architecture.feeds(1, seed=n) for n in range(4)]
    shapes = {n: a.shape for n, a in samples[0].items()}
    ranges = calibrate(architecture.make(), samples, shapes=shapes)
    quantised = quantised_model(architecture.make(), ranges, shapes=shapes)
    onnx.checker.check_model(quantised, full_check=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(quantised.SerializeToString(), options)
    plain = onnxruntime.InferenceSession(architecture.make())
    plan = burnish.build(architecture.make(), precision="int8", ranges=ranges, shapes=shapes)
    assert plan.manifest.options["precision"] == "int8"
    with burnish.load(plan, threads=1) as engine:
        for sample in samples:
            ours, theirs = next(iter(engine(sample).values())), session.run(None, sample)[0]
            exact = plain.run(None, sample)[0]
            distance = np.linalg.norm(theirs - exact)
            assert 0 < distance < 0.2 * np.linalg.norm(exact)
            assert np.linalg.norm(ours - theirs) <= 0.3 * distance  # codes at ties differ by one


def test_the_same_samples_in_another_order_give_the_same_ranges() -> None:
    samples = images()
    assert calibrate(SMALL["resnet"].make(), samples) == calibrate(SMALL["resnet"].make(), iter(samples[::-1]))


def test_the_example_keeps_its_answers() -> None:
    data = np.load(SAMPLES)
    plan = burnish.build(DIGITS, precision="int8", ranges=calibrate(DIGITS, SAMPLES), batch="1:1:40")
    with burnish.load(plan, threads=1) as engine:
        scores = engine(data["images"])
    assert (np.asarray(next(iter(scores.values()))).reshape(40, -1).argmax(1) == data["labels"]).mean() >= 0.975


def test_nodes_that_are_kept_stay_in_f32() -> None:
    decisions: list = []
    ranges = calibrate(DIGITS, SAMPLES)
    burnish.build(DIGITS, precision="int8", ranges=ranges, explain_precision=decisions.append)
    names = [d.node for d in decisions if d.now == "int8"]
    kept: list = []
    burnish.build(DIGITS, precision="int8", ranges=ranges.keep(names[0]), explain_precision=kept.append)
    assert "it was asked to stay" in {d.node: d.why for d in kept if d.now == "f32"}[names[0]]


def test_one_sample_and_dead_tensors_are_told() -> None:
    sample = {n: np.zeros_like(a) for n, a in images(1)[0].items()}
    notes = calibrate(SMALL["resnet"].make(), [sample]).notes
    assert "one sample" in notes[0]
    assert any("was 0 in every sample" in note for note in notes)


@pytest.mark.parametrize(
    ("data", "options", "code"),
    [
        ([], {}, "E721"),
        (images(1), {"method": "guess"}, "E723"),
        ([{n: np.full_like(a, np.nan) for n, a in images(1)[0].items()}], {}, "E724"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(data: list, options: dict, code: str) -> None:
    with pytest.raises(UserError) as caught:
        calibrate(SMALL["resnet"].make(), data, **options)
    assert caught.value.code == code
