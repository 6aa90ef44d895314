"""Small models from text, and ONNX Runtime's answers to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime

from burnish.passes.rewrite.context import PassContext, PassReport
from burnish.passes.rewrite.rule import Rule, apply_rules

OPSET = 25
HEADER = f'<ir_version: 10, opset_import: ["" : {OPSET}, "ai.burnish" : 1]>\n'


def parse(text: str) -> ir.Model:
    """A model from ONNX's text format; the header with the opset may be left out."""
    proto = onnx.parser.parse_model(text if text.lstrip().startswith("<") else HEADER + text)
    proto = onnx.shape_inference.infer_shapes(proto, data_prop=True)
    return ir.from_proto(proto)


def add_constants(model: ir.Model, constants: Mapping[str, np.ndarray[Any, Any]]) -> ir.Model:
    """Turn inputs of these names into initializers."""
    for name, array in constants.items():
        value = next(v for v in model.graph.inputs if v.name == name)
        model.graph.inputs.remove(value)
        value.const_value = ir.tensor(array, name=name)
        value.shape = ir.Shape(array.shape)
        model.graph.register_initializer(value)
    return model


def run_ort(model: ir.Model, feeds: Mapping[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """The answers of ONNX Runtime with its own optimisations off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    blob = ir.to_proto(model).SerializeToString()
    session = onnxruntime.InferenceSession(blob, options, providers=["CPUExecutionProvider"])
    read = {v.name for v in session.get_inputs()}
    return list(session.run(None, {name: array for name, array in feeds.items() if name in read}))


def random_feeds(model: ir.Model, seed: int = 0, symbols: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Seeded values for every input; symbolic dims take `symbols`' value or 3."""
    generator = np.random.default_rng(seed)
    feeds = {}
    for value in model.graph.inputs:
        assert value.shape is not None and value.dtype is not None
        shape = [d if isinstance(d, int) else (symbols or {}).get(str(d), 3) for d in value.shape]
        dtype = value.dtype.numpy()
        if dtype.kind == "b":
            feeds[str(value.name)] = generator.integers(0, 2, shape).astype(bool)
        elif dtype.kind in "iu":
            feeds[str(value.name)] = generator.integers(0, 5, shape).astype(dtype)
        else:
            feeds[str(value.name)] = generator.standard_normal(shape).astype(dtype)
    return feeds


def apply(model: ir.Model, *members: Rule) -> tuple[int, PassReport]:
    """Apply rules to a model; the number of rewrites, and the report with the reasons of those that declined."""
    context = PassContext()
    return apply_rules(model.graph, members, context.report), context.report


def operators(model: ir.Model) -> list[str]:
    """The op types in order, subgraphs included: what golden tests compare."""
    return [node.op_type for node in model.graph.all_nodes()]


def assert_same_answers(before: ir.Model, after: ir.Model, feeds: Mapping[str, Any], rtol: float = 1e-5) -> None:
    """Both give the same on ONNX Runtime: names, dtypes, shapes exactly, values to `rtol` of the largest magnitude."""
    assert [v.name for v in before.graph.outputs] == [v.name for v in after.graph.outputs]
    for name, want, got in zip(
        [v.name for v in before.graph.outputs], run_ort(before, feeds), run_ort(after, feeds), strict=True
    ):
        assert want.dtype == got.dtype and want.shape == got.shape, f"{name}: {want.shape} became {got.shape}"
        if want.dtype.kind == "f" and want.size:
            scale = max(float(np.nanmax(np.abs(want.astype(np.float64)), initial=0.0)), 1e-30)
            np.testing.assert_allclose(got / scale, want / scale, rtol=0, atol=rtol, equal_nan=True, err_msg=str(name))
        else:
            np.testing.assert_array_equal(got, want, err_msg=str(name))
