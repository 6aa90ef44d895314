"""Compute the f16 or bf16 values of a model in f32, for targets without arithmetic of that width.

    x f16 -> Conv(x, w f16) -> y f16      becomes      Cast(x) -> Conv(x, w f32) -> Cast(y)

Inputs and outputs keep their type. Every value is at least as exact as in the model, since only roundings are removed.
Kernels would widen each element at each use anyway. A Cast that must round (rounding.py) stays, as a pair of Casts.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.ops.language.node_view import KEEPS_EXCESS
from burnish.precision.rounding import HALF, must_round

TYPE_ATTRIBUTES = ("to", "dtype", "output_dtype")
KEEPS_ITS_TYPE = frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "BitCast"})


def widen_half(model: ir.Model) -> int:
    """Rewrite the model in place. Returns how many values became f32. A model with quantised halves is not changed."""
    graphs = [model.graph, *model.graph.subgraphs()]
    values = [v for g in graphs for v in _values(g) if v.dtype in HALF]
    if not values or any(_is_left(n) for g in graphs for n in g):
        return 0
    surface = [(v, v.dtype) for v in (*model.graph.inputs, *model.graph.outputs) if v.dtype in HALF]
    rounding = [n for g in graphs for n in g if must_round(n, g is not model.graph)]
    narrow = [n.outputs[0].dtype for n in rounding]
    for value in values:
        _widen(value)
    for graph in graphs:
        for node in graph:
            _widen_attributes(node)
    for node, to in zip(rounding, narrow):
        _round_before(node, to)
    for value, dtype in surface:
        assert dtype is not None
        if value.is_graph_input():
            _cast_input(model.graph, value, dtype)
    for position, value in enumerate(list(model.graph.outputs)):
        kept = next((d for v, d in surface if v is value), None)
        if kept is not None and not value.is_graph_input():
            _cast_output(model.graph, position, value, kept)
    return len(values)


def _values(graph: ir.Graph) -> list[ir.Value]:
    return [*graph.inputs, *graph.initializers.values(), *(v for n in graph for v in n.outputs)]


def _is_left(node: ir.Node) -> bool:
    halves = any(v is not None and v.dtype in HALF for v in (*node.inputs, *node.outputs))
    return halves and node.op_type in KEEPS_ITS_TYPE


def _widen(value: ir.Value) -> None:
    value.type = ir.TensorType(ir.DataType.FLOAT)
    if value.const_value is not None:
        value.const_value = ir.tensor(value.const_value.numpy().astype(np.float32), name=value.name)


def _widen_attributes(node: ir.Node) -> None:
    for name, attribute in list(node.attributes.items()):
        if name in TYPE_ATTRIBUTES and attribute.type == ir.AttributeType.INT and attribute.as_int() in HALF:
            node.attributes[name] = ir.AttrInt64(name, int(ir.DataType.FLOAT))
        elif attribute.type == ir.AttributeType.TENSOR and attribute.as_tensor().dtype in HALF:
            widened = ir.tensor(attribute.as_tensor().numpy().astype(np.float32))
            node.attributes[name] = ir.AttrTensor(name, widened)


def _cast(value: ir.Value, to: ir.DataType, name: str) -> ir.Node:
    node = ir.node("Cast", [value], attributes={"to": int(to)}, name=name)
    node.meta[KEEPS_EXCESS] = True
    node.outputs[0].name = name
    node.outputs[0].type = ir.TensorType(to)
    node.outputs[0].shape = value.shape
    return node


def _round_before(node: ir.Node, to: ir.DataType | None) -> None:
    """Let a Cast(x) to f32 read a Cast(x) to the narrow type instead."""
    value = node.inputs[0]
    assert value is not None and to is not None and node.graph is not None
    rounded = _cast(value, to, f"{node.outputs[0].name}/rounded")
    rounded.meta.pop(KEEPS_EXCESS)
    node.graph.insert_before(node, rounded)
    node.replace_input_with(0, rounded.outputs[0])


def _cast_input(graph: ir.Graph, value: ir.Value, dtype: ir.DataType) -> None:
    uses = list(value.uses())
    as_output = [i for i, out in enumerate(graph.outputs) if out is value]
    value.type = ir.TensorType(dtype)
    node = _cast(value, ir.DataType.FLOAT, _unused(graph, f"{value.name}/widened"))
    for user, index in uses:
        user.replace_input_with(index, node.outputs[0])
    first = next(iter(graph), None)
    if first is None or not uses:
        return
    assert not as_output or graph.outputs[as_output[0]] is value
    graph.insert_before(first, node)


def _cast_output(graph: ir.Graph, position: int, value: ir.Value, dtype: ir.DataType) -> None:
    name = value.name
    value.name = _unused(graph, f"{name}/wide")
    node = _cast(value, dtype, _unused(graph, f"{name}/narrowed"))
    node.outputs[0].name = name
    graph.append(node)
    graph.outputs[position] = node.outputs[0]


def _unused(graph: ir.Graph, name: str) -> str:
    """The name, or one like it: a graph that was widened once, as calibration's, has it already."""
    taken = {v.name for v in _values(graph)} | {n.name for n in graph}
    while name in taken:
        name += "_again"
    return name
