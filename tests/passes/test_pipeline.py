"""pipeline.py: the cleaning passes together, on real models. Oracle: ONNX Runtime on the file as it came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from burnish.importers import load_model
from burnish.importers.export import export_model
from burnish.ops.registry import is_defined
from burnish.passes.pipeline import CLEAN, PIPELINE, Pass, count_nodes, optimize
from burnish.passes.rewrite.context import PassContext
from burnish.passes.specialize import specialize
from tests.passes.models import operators, parse

MODELS = Path(__file__).parents[2].parent / "shared" / "models"
CLEANING = (Pass("specialize", "", specialize), CLEAN)
NODES = {  # at most this many are left: open dimensions, and bound to the first sample
    "gtcrn": (420, 420), "magika_v3_3": (76, 76), "mnist_cntk": (11, 11), "ppocr_det_v11": (225, 225),
    "retinaface_qdq": (350, 350), "silero_vad_v5": (155, 90), "squeezenet_fp16": (67, 67), "stories260k": (390, 350),
    "superres_10": (10, 10), "ultraface_rfb320": (165, 165),
}  # fmt: skip

Samples = list[dict[str, np.ndarray[Any, Any]]]


def read_samples(folder: Path, names: list[str]) -> Samples:
    samples = []
    for data in sorted(folder.glob("test_data_set_*")):
        tensors = [onnx.TensorProto.FromString((data / f"input_{i}.pb").read_bytes()) for i in range(len(names))]
        samples.append({n: numpy_helper.to_array(t) for n, t in zip(names, tensors, strict=True)})
    return samples


def session(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


@pytest.mark.skipif(not MODELS.is_dir(), reason="needs the shared models beside the repository")
@pytest.mark.parametrize("bound", [False, True], ids=["open", "bound"])
@pytest.mark.parametrize("name", NODES)
def test_real_models_get_smaller_and_keep_their_answers(name: str, bound: bool):
    path = MODELS / name / "model.onnx"
    original = session(path.read_bytes())
    samples = read_samples(path.parent, [v.name for v in original.get_inputs()])
    model = load_model(path, keep=is_defined).model
    shapes = {n: a.shape for n, a in samples[0].items()} if bound else {}
    context = PassContext(input_shapes=shapes)
    optimize(model, context, CLEANING)
    assert count_nodes(model) <= NODES[name][bound]
    if bound and name == "silero_vad_v5":
        return  # ONNX Runtime refuses a graph in which one side of an If does not fit the bound shapes
    ours = session(export_model(model).SerializeToString())
    read = {v.name for v in ours.get_inputs()}
    for sample in samples if not bound else samples[:1]:
        want = original.run(None, sample)
        got = ours.run(None, {n: a for n, a in sample.items() if n in read})
        for a, b in zip(want, got, strict=True):
            assert a.shape == b.shape and a.dtype == b.dtype
            scale = max(float(np.abs(a).max(initial=0)), 1e-6)
            tolerance = 4e-3 if a.dtype == np.float16 else 2e-6
            np.testing.assert_allclose(
                b.astype(np.float64) / scale, a.astype(np.float64) / scale, rtol=0, atol=tolerance
            )
    optimize(model, context, CLEANING)
    assert sum(row.changes for row in context.report.rows[-len(CLEAN.passes) :]) == 0, "a second run changes nothing"


def test_the_report_has_a_row_for_every_pass_that_ran():
    model = parse("agraph (float[2] x) => (float[2] y) { a = Identity (x) b = Relu (a) c = Identity (b) y = Abs (c) }")
    report = optimize(model, PassContext(), CLEANING)
    assert operators(model) == ["Relu", "Abs"]
    by_name = {row.name: row for row in reversed(report.rows)}
    row = by_name["remove_no_ops"]
    assert (row.nodes_before, row.nodes_after, row.changes) == (4, 2, 2) and row.time_ns > 0 and row.reason
    assert {member.name for member in CLEAN.passes} < set(by_name)


def test_every_pass_has_a_name_of_its_own_and_a_reason():
    members = [m for entry in PIPELINE for m in ((entry,) if isinstance(entry, Pass) else entry.passes)]
    assert all(m.reason for m in members)
    assert len({m.name for m in set(members)}) == len(set(members))


def test_why_answers_by_rule_and_by_node():
    model = parse("agraph (float[2] x) => (float[2] y) <float c = {3.0}> { [d] y = Div (x, c) }")
    report = optimize(model, PassContext(), CLEANING)
    reasons = {(d.rule, d.node): d.reason for d in report.why(node="d")}
    assert "power of two" in reasons["DivideToMultiply", "d"]
    assert report.why("DivideToMultiply", "d") and not report.why("DivideToMultiply", "elsewhere")
