"""Calibration on whole models: ranges against numpy over ONNX Runtime's tensors, plans against the quantised model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest

import burnish
from burnish.calibration import calibrate, quantised_model
from burnish.errors import UserError
from burnish.precision.precision import Decision
from tests.calibration.reports.models import product, rows
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
            one_code = 0.003 * np.linalg.norm(exact)  # at a tie, in one of the first layers
            assert np.linalg.norm(ours - theirs) <= max(0.3 * distance, one_code)


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


@pytest.mark.parametrize("method", ["minmax", "mse", "entropy", "percentile:99.9"])
@pytest.mark.parametrize("name", ["efficientnet", "vit"])
def test_asymmetric_codes_are_multiplied_as_integers_and_give_the_quantised_models_answers(
    name: str, method: str
) -> None:
    architecture = SMALL[name]
    samples = [architecture.feeds(1, seed=n) for n in range(3)]
    ranges = calibrate(architecture.make(), samples, method=f"{method}+asymmetric")
    assert ranges.method == f"{method}+asymmetric" and any(found.zero for found in ranges.tensors.values())
    rows = list[Decision]()
    plan = burnish.build(architecture.make(), precision="int8", ranges=ranges, explain_precision=rows.append)
    shifted = [row for row in rows if "zero point" in row.why]
    assert len(shifted) > 2 and {row.now for row in shifted} == {"int8"}
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    quantised = quantised_model(architecture.make(), ranges).SerializeToString()
    session, plain = onnxruntime.InferenceSession(quantised, options), onnxruntime.InferenceSession(architecture.make())
    with burnish.load(plan, threads=1) as engine:
        ours = np.concatenate([next(iter(engine(s).values())).ravel() for s in samples])
    exact, theirs = (np.concatenate([run.run(None, s)[0].ravel() for s in samples]) for run in (plain, session))
    assert np.linalg.norm(ours - theirs) <= 0.3 * np.linalg.norm(theirs - exact)  # codes at ties differ by one


def test_a_precision_without_codes_has_no_ranges() -> None:
    with pytest.raises(UserError, match="E610"):
        calibrate(DIGITS, SAMPLES, precision="fp16")


def one_product() -> onnx.ModelProto:
    text = "g (float[1,16] x) => (float[1,4] y) { y = MatMul(x, w) }"
    proto = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : 17]> {text}')
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((16, 4), np.float32), "w"))
    return proto


@pytest.mark.parametrize("how", [{"precision": "int8"}, {"precision": "fp8"}, {"method": "mse+asymmetric"}])
def test_bad_data_is_refused_or_told_whichever_codes(how: dict[str, str], tmp_path: Path) -> None:
    x = np.linspace(-1, 3, 16, dtype=np.float32)[None]
    x[0, :2] = np.nan, np.inf
    found = calibrate(one_product(), [{"x": x}], **how)
    assert any("2 of 16 numbers are NaN or Inf; they were left out" in note for note in found.notes)
    assert any(note.startswith("one sample") for note in found.notes)
    assert "x was 0 in every sample" in calibrate(one_product(), [{"x": np.zeros((1, 16), np.float32)}], **how).notes
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "how.toml").write_text(
        '[image]\nsize = [1, 16]\nfit = "stretch"\ncolour = "grey"\nlayout = "nchw"\nscale = 1.0\n'
    )
    for data, code in [
        ([{"x": x * np.nan}], "E724"),
        ([], "E721"),
        ([{"x": x[:, :7]}], "E722"),
        (tmp_path / "none", "E721"),
    ]:
        with pytest.raises(UserError, match=code):
            calibrate(one_product(), data, **how)
    with pytest.raises(UserError, match="E721"):
        calibrate(one_product(), tmp_path / "broken.png", preprocess=tmp_path / "how.toml", **how)


@pytest.mark.parametrize("precision", ["int8", "fp8"])
def test_a_constant_tensor_keeps_its_number_and_ranges_of_another_model_are_refused(precision: str) -> None:
    x = np.full((1, 16), 3.0, np.float32)
    ranges = calibrate(one_product(), [{"x": x}, {"x": x}], precision=precision)
    plan = burnish.build(one_product(), precision=precision, ranges=ranges)
    with burnish.load(plan, threads=1) as engine:
        np.testing.assert_allclose(engine({"x": x})["y"], 48, rtol=1e-6)
    zeros = calibrate(one_product(), [{"x": 0 * x}, {"x": 0 * x}], precision=precision)
    with burnish.load(burnish.build(one_product(), precision=precision, ranges=zeros), threads=1) as engine:
        assert np.isfinite(engine({"x": x})["y"]).all()  # what was never seen is clipped, or kept: never a NaN
    other = replace(ranges, tensors={"other": ranges.tensors["x"]})
    with pytest.raises(UserError, match="E731"):
        burnish.build(one_product(), precision=precision, ranges=other)


def test_what_is_constant_in_all_samples_is_told() -> None:
    kinds = [np.full((64, 16), 0.5, np.float32), np.zeros((64, 16), np.float32), np.abs(rows(1)[0])]
    kinds[2][:, 3:5] = 0
    told = [calibrate(product(), [k, k], batch="1:64:64", threads=1).notes for k in kinds]
    silent = "channels that were 0 in every sample: 2, of tensors such as 'x'; burnish calib report names them"
    assert told == [("x was 0.5 in every sample",), ("x was 0 in every sample",), (silent,)]


def test_channels_with_a_scale_of_their_own_that_were_0_are_told() -> None:
    weight = onnx.numpy_helper.from_array(np.ones((4, 1, 3, 3), np.float32), "w")
    node = onnx.helper.make_node("Conv", ["r", "w"], ["y"], group=4)
    ends = [
        onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, 4, s, s]) for n, s in (("x", 5), ("y", 3))
    ]
    nodes = [onnx.helper.make_node("Neg", ["x"], ["r"]), node]
    graph = onnx.helper.make_graph(nodes, "depthwise", ends[:1], ends[1:], [weight])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    x = np.random.default_rng(0).normal(size=(1, 4, 5, 5)).astype(np.float32)
    x[:, 2] = 0
    assert calibrate(model, [x, x], threads=1).notes[-1].startswith("channels that were 0 in every sample: 1,")
