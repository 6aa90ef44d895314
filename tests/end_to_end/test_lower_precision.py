"""Architectures and trained models built with --fp16 and --bf16: ONNX Runtime's f32 answers within the precision."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest
from onnx import numpy_helper

import burnish
from burnish.devices.cpu.processor import best_target, supports
from burnish.precision.precision import Decision
from burnish.target import Target, parse_target
from burnish.verification import verify
from tests.end_to_end.architectures import SMALL
from tests.end_to_end.branching import choosing
from tests.end_to_end.oracle import answers, session, shapes
from tests.end_to_end.shared_models import PROFILES, model_path, vectors
from tests.end_to_end.test_architectures import depth

PLAIN = Target("cpu", best_target().level)
WITH_BF16 = parse_target("cpu:x86-64-v4+bf16")
SUPPORTED = [("fp16", PLAIN), ("bf16", PLAIN), *([("bf16", WITH_BF16)] if not supports(WITH_BF16) else [])]
UNIT = {"fp16": 2.0**-11, "bf16": 2.0**-8}
TRAINED = ["mnist_cntk", "magika_v3_3"]
# not ppocr_det_v11: a rounding in f32 moves its answer by 1e-4, so that one in f16 may move it by 1; verify says so
SLOW = ["superres_10", "squeezenet_fp16", "ultraface_rfb320", "stories260k", "silero_vad_v5"]


@pytest.mark.parametrize(("precision", "target"), SUPPORTED, ids=str)
@pytest.mark.parametrize("name", SMALL)
def test_answers_of_an_architecture_are_near_those_of_f32(name: str, precision: str, target: Target) -> None:
    model, feeds = SMALL[name].make(), SMALL[name].feeds(batch=2)
    ((output, want),) = answers(session(model), feeds).items()
    plan = burnish.build(model, shapes=shapes(feeds), target=str(target), precision=precision)
    assert plan.manifest.options["precision"] == precision
    assert not any("reference" in note for note in plan.manifest.notes)
    with burnish.load(plan, threads=2) as engine:
        got = engine(feeds)[output]
    assert got.dtype == np.float32
    error = np.abs(got.astype(np.float64) - want).max() / np.abs(want).max()
    assert error <= 2 * UNIT[precision] * depth(model) ** 0.5


@pytest.mark.parametrize(("precision", "target"), SUPPORTED, ids=str)
@pytest.mark.parametrize("name", [*TRAINED, *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW)])
def test_a_trained_model_answers_as_in_f32(name: str, precision: str, target: Target) -> None:
    path = model_path(name)
    plan = burnish.build(path, profile=PROFILES.get(name), target=str(target), precision=precision)
    report = verify(path, plan, data=vectors(name)[0].inputs)
    assert report.is_accepted, report.as_dict()


@pytest.mark.parametrize(("precision", "target"), SUPPORTED, ids=str)
@pytest.mark.parametrize("end", ["Neg", "Exp"])
def test_both_sides_of_an_if_are_narrowed_and_answer_near_f32(precision: str, target: Target, end: str) -> None:
    model, decisions = choosing(end), list[Decision]()
    plan = burnish.build(model, target=str(target), precision=precision, explain_precision=decisions.append)
    now = {d.op_type: d.now for d in decisions}
    assert now["MatMul"] == (f"{precision.replace('fp', 'f')} weights" if target is PLAIN else "bf16")
    assert sum(d.op_type == "MatMul" for d in decisions) == 3 and {"If", "Sigmoid", "Softmax", end} <= now.keys()
    x = np.random.default_rng(1).standard_normal((3, 16)).astype(np.float32)
    with burnish.load(plan, threads=1) as engine:
        for p in (True, False):
            feeds = {"x": x, "p": np.array(p)}
            want = answers(session(model), feeds)["y"]
            error = np.abs(engine(feeds)["y"].astype(np.float64) - want).max()
            assert 0 < error <= 8 * UNIT[precision] * max(np.abs(want).max(), 1)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
@pytest.mark.parametrize("rows, parts, note", [
    (1, 2, "1 of 1 products read their weights in 16 bits, where that is faster"),
    (64, 1, "products run as in f32, with rounded weights: reading them in 16 bits would be faster for none"),
], ids=["a row waits for memory", "sums take longer"])  # fmt: skip
def test_weights_lie_in_half_the_bytes_where_that_is_faster_and_are_the_same_bytes_each_time(
    precision: str, rows: int, parts: int, note: str
) -> None:
    text = f'<ir_version: 10, opset_import: ["" : 21]> m (float[{rows},256] x) => (float[{rows},768] y)'
    model = onnx.parser.parse_model(f"{text} {{ y = MatMul(x, w) }}")
    weight = np.random.default_rng(0).standard_normal((256, 768)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weight, "w"))

    def built(precision: str) -> burnish.Plan:
        return burnish.build(model, target="cpu:x86-64-v3", precision=precision)

    def weights(plan: burnish.Plan) -> int:
        return sum(len(blob) for name, blob in plan.blobs.items() if name.startswith("weights/"))

    narrow = built(precision)
    assert parts * weights(narrow) == weights(built("fp32"))
    assert narrow.to_bytes() == built(precision).to_bytes()
    assert note in narrow.manifest.notes


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_without_narrow_products_every_launch_is_that_of_f32_winograd_too(precision: str) -> None:
    text = """<ir_version: 10, opset_import: ["" : 21]> m (float[1,128,16,16] x) => (float[1,384,16,16] y) {
        a = Conv <pads=[1,1,1,1]> (x, w) b = Relu(a) y = Conv(b, v) }"""
    model, rng = onnx.parser.parse_model(text), np.random.default_rng(0)
    for name, shape in (("w", (128, 128, 3, 3)), ("v", (384, 128, 1, 1))):
        array = (rng.standard_normal(shape) / 30).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    wide, narrow = (burnish.build(model, target="cpu:x86-64-v3", precision=p) for p in ("fp32", precision))
    kept, found = ([(each.name, each.tactic) for each in plan.manifest.variants[0].launches] for plan in (wide, narrow))
    assert found == kept and any(name.endswith(("/products", "/strips")) for name, _ in found)
    x = rng.standard_normal((1, 128, 16, 16)).astype(np.float32)
    want = answers(session(model.SerializeToString()), {"x": x})["y"]
    with burnish.load(narrow, threads=1) as engine:
        error = np.abs(engine({"x": x})["y"].astype(np.float64) - want).max()
    assert 0 < error <= 4 * UNIT[precision] * np.abs(want).max()
