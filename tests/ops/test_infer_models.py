"""Inference on real models: shapes with symbols hold for real samples, and nothing is left to data."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx.numpy_helper
import onnx_ir as ir
import pytest

from burnish.dims import evaluate, symbols
from burnish.ops.inference.infer import infer
from burnish.ops.language.node_view import constant_tensor

MODELS = Path(__file__).parents[3] / "shared" / "models"
NAMES = sorted(p.parent.name for p in MODELS.glob("*/model.onnx"))
BRANCHING = {"silero_vad_v5"}  # branches on ranks: shapes follow once its inputs are bound, on the sides that fit

pytestmark = pytest.mark.skipif(not NAMES, reason="the shared models are not here")


def sample(name, kind):
    """name -> array of the first sample's inputs or outputs."""
    graph = onnx.load(MODELS / name / "model.onnx", load_external_data=False).graph
    infos = graph.input if kind == "input" else graph.output
    constants = {t.name for t in graph.initializer}
    names = [v.name for v in infos if v.name not in constants]
    arrays = {}
    for n, value in enumerate(names):
        proto = onnx.TensorProto.FromString((MODELS / name / "test_data_set_0" / f"{kind}_{n}.pb").read_bytes())
        arrays[proto.name or value] = onnx.numpy_helper.to_array(proto)
    return arrays


@pytest.mark.parametrize("name", NAMES)
def test_inferred_shapes_hold_for_a_real_sample(name):
    graph = ir.load(MODELS / name / "model.onnx").graph
    inputs, outputs = sample(name, "input"), sample(name, "output")
    bound = {v: constant_tensor(v.name, inputs[v.name]) for v in graph.inputs if v.name in inputs}
    found = infer(graph, bound if name in BRANCHING else None)
    sizes = {}
    for value, tensor in bound.items():
        for extent, d in zip(tensor.shape, found.tensors[value].shape):
            sizes.update(dict.fromkeys(symbols(d), extent))
    assert not found.from_data or name in BRANCHING
    for value in graph.outputs:
        assert tuple(evaluate(d, sizes) for d in found.tensors[value].shape) == outputs[value.name].shape


@pytest.mark.parametrize("name", [n for n in NAMES if n not in BRANCHING])
def test_every_operator_of_real_models_has_a_definition(name):
    graph = ir.load(MODELS / name / "model.onnx").graph
    inputs = sample(name, "input")
    bound = {v: constant_tensor(v.name, inputs[v.name]) for v in graph.inputs if v.name in inputs}
    undefined = infer(graph, bound).undefined
    assert set(undefined.values()) <= {
        "ScatterND at many points that are no box"
    }  # gtcrn, before its constants are folded
