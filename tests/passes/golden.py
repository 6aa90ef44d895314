"""Graphs as short text for golden tests, and the reference evaluator's answers to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from burnish.passes.rewrite.constants import constant_array, constant_number
from burnish.passes.rewrite.rule import Rule
from tests.passes.models import add_constants, apply, parse

NUMPY = {"float": np.float32, "double": np.float64, "float16": np.float16}


def build(inputs: str, body: str, dtype: str = "float", **weights: Any) -> ir.Model:
    """A model of opset 25 with output y; weights are shapes (seeded values), numbers or arrays."""
    generator = np.random.default_rng(7)
    constants = {}
    for name, given in weights.items():
        values = generator.standard_normal(given) if isinstance(given, tuple) else np.asarray(given)
        constants[name] = values.astype(NUMPY[dtype]) if values.dtype == np.float64 else values
    types = {
        n: onnx.helper.tensor_dtype_to_string(onnx.helper.np_dtype_to_tensor_dtype(a.dtype))
        for n, a in constants.items()
    }
    named = [f"{types[n].split('.')[1].lower()}[{','.join(map(str, a.shape))}] {n}" for n, a in constants.items()]
    model = parse(f"agraph ({', '.join([inputs, *named])}) => (y) {{ {body} }}")
    model = add_constants(model, constants)
    return ir.from_proto(onnx.shape_inference.infer_shapes(ir.to_proto(model), data_prop=True))


def golden(model: ir.Model) -> list[str]:
    """One line a node: `y = Conv(x, W[8,3,1,1]) pads=(1, 1)`; constants by number or shape, values by name."""
    return [_line(node) for node in model.graph]


def why(model: ir.Model, rule: Rule, node: str) -> str:
    """The reason why a rule leaves a node alone; asserts that it does."""
    changes, report = apply(model, rule)
    assert changes == 0, golden(model)
    return report.declined[rule.name, node]


def assert_fires_once(model: ir.Model, *rules: Rule) -> list[str]:
    """Rewrite; a second run changes nothing. Returns the golden text, without dead nodes."""
    assert apply(model, *rules)[0] >= 1, apply(model, *rules)[1].declined
    assert apply(model, *rules)[0] == 0
    return golden(model)


def run_reference(model: ir.Model, feeds: Mapping[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """The answers of onnx.reference, for operators that ONNX Runtime lacks in this opset."""
    with np.errstate(all="ignore"):
        return list(ReferenceEvaluator(ir.to_proto(model)).run(None, dict(feeds)))


def assert_same_reference(before: ir.Model, after: ir.Model, feeds: Mapping[str, Any], rtol: float = 1e-5) -> None:
    """Both give the same on the reference evaluator, to `rtol` of the largest magnitude."""
    for want, got in zip(run_reference(before, feeds), run_reference(after, feeds), strict=True):
        assert want.dtype == got.dtype and want.shape == got.shape
        scale = max(float(np.nanmax(np.abs(want), initial=0.0)), 1e-30)
        np.testing.assert_allclose(got / scale, want / scale, rtol=0, atol=rtol, equal_nan=True)


def _line(node: ir.Node) -> str:
    attributes = "".join(f" {k}={_attribute(a)}" for k, a in sorted(node.attributes.items()))
    outputs = ", ".join("_" if o.producer() is not None and _is_generated(o) else str(o.name) for o in node.outputs)
    return f"{outputs} = {node.op_type}({', '.join(_value(v) for v in node.inputs)}){attributes}"


def _attribute(attribute: ir.Attr) -> str:
    value = attribute.value
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value) if isinstance(value, str) else str(value).replace(" ", "")


def _value(value: ir.Value | None) -> str:
    if value is None:
        return "-"
    array = constant_array(value)
    if array is None:
        return "_" if _is_generated(value) else str(value.name)
    number = constant_number(value)
    if number is not None and array.ndim == 0:
        return f"{number:g}"
    return f"{str(value.name).split('.')[-1]}{list(array.shape)}".replace(" ", "")


def _is_generated(value: ir.Value) -> bool:
    return value.name is None or value.name.startswith("val_")
