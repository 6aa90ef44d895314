"""Small graphs to narrow, as text; weights are seeded; ONNX Runtime says what they compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import onnxruntime
from onnx import numpy_helper

from burnish.dtypes import DType
from burnish.ops.inference.infer import infer
from burnish.precision.narrow import narrow
from burnish.precision.precision import Decision, parse_precision
from burnish.verification.tolerance import derive_tolerance

Array = np.ndarray[Any, Any]


def parse(text: str, weights: dict[str, Array] | None = None, opset: int = 21) -> ir.Model:
    proto = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : {opset}]> {text}')
    for name, array in (weights or {}).items():
        proto.graph.initializer.append(numpy_helper.from_array(array, name))
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto))


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def narrowed(model: ir.Model, values: str = "fp16", outputs: str | None = None) -> dict[str, Decision]:
    """Narrow the model in place, check that it is valid ONNX, and give the decisions by operator (the last of each)."""
    decisions = narrow(model.graph, infer(model.graph), parse_precision(values, outputs))
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    return {d.op_type: d for d in decisions}


def run(model: ir.Model, feeds: dict[str, Array]) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    content = ir.to_proto(model).SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"]).run(None, feeds)


def assert_within_roundings(got: Array, want: Array, model: ir.Model, output: str = "y") -> None:
    """Equal but for what f16 rounds away on the way through the f32 model, by the project's own gate.

    A subnormal of f16 is off by half of its smallest step, however small it is.
    """
    graph = ir.to_proto(model).graph
    allowed = derive_tolerance(graph, DType.F32, output).narrowed(DType.F16).relative
    subnormal = float(np.finfo(np.float16).smallest_subnormal) / 2
    np.testing.assert_allclose(got, want, rtol=0, atol=allowed * float(np.abs(want).max()) + subnormal)


def types(model: ir.Model) -> dict[str, str]:
    """The element type of what each operator gives; the last of each kind."""
    return {n.op_type: str(n.outputs[0].dtype) for n in model.graph}
