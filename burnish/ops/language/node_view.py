"""From an `onnx_ir` node to the NodeView that definitions read, and from constants to Tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish.dtypes import DType
from burnish.ops.language.definition import NodeView, Tensor

KEEPS_EXCESS = "burnish.keeps_excess"  # in a Cast's `meta`: its result is narrow in memory only
SUMS_COLUMNS = "burnish.sums_columns"  # in an AveragePool's `meta`: it is older than opset 19
ROUNDS_STATES = "burnish.rounds_states"  # in an LSTM's `meta`: its product with the states is of codes
KNOWN_ELEMENTS = 1024  # a tensor of more elements is known by its array only


def view_node(node: ir.Node, tensors: Mapping[ir.Value, Tensor], opset: int = 0) -> NodeView:
    """The node with its inputs as Tensors. KeyError for an input that has none (a sequence, an optional)."""
    return NodeView(
        op_type=node.op_type,
        name=node.name or "",
        inputs=tuple(None if v is None else tensors[v] for v in node.inputs),
        attributes={a.name: _python_value(a) for a in node.attributes.values()},
        output_names=tuple(v.name or "" for v in node.outputs),
        opset=node.version or opset,
        domain=node.domain,
        output_ranks=tuple(None if v.shape is None else len(v.shape) for v in node.outputs),
        keeps_excess=bool(node.meta.get(KEEPS_EXCESS)),
        of_codes=_is_of_codes(node),
        sums_columns=bool(node.meta.get(SUMS_COLUMNS)),
        rounds_states=bool(node.meta.get(ROUNDS_STATES)),
    )


def _is_of_codes(node: ir.Node) -> bool:
    producer = node.inputs[0].producer() if node.inputs and node.inputs[0] is not None else None
    return producer is not None and producer.op_type == "DequantizeLinear"


def constant_tensor(name: str, array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor of known content. KeyError for an element type Burnish does not hold."""
    dtype = DType.of(array.dtype)
    elements = None
    if array.size <= KNOWN_ELEMENTS and (dtype.has_kernels or dtype is DType.STRING):
        readable = array.astype(np.float64) if dtype.is_float else array  # bf16 scalars are no Python floats
        elements = tuple(readable.ravel().tolist())
    return Tensor(name, dtype, tuple(int(d) for d in array.shape), elements, array)


def tensor_of_constant(name: str, value: ir.TensorProtocol) -> Tensor:
    """A constant of the graph. Its array is the model's own memory, mapped where it lies in a file."""
    array = value.numpy()
    if value.dtype == ir.DataType.STRING:
        array = np.asarray(array, dtype=object)
    return constant_tensor(name, array)


def constant_of_node(node: ir.Node) -> Tensor:
    """The value of a Constant node, from the attribute that holds it."""
    name = node.outputs[0].name or ""
    (attribute,) = node.attributes.values()
    if attribute.name == "value":
        return tensor_of_constant(name, attribute.as_tensor())
    if attribute.name.startswith("value_string"):
        return constant_tensor(name, np.asarray(attribute.value, dtype=object))
    dtype = np.float32 if attribute.name.startswith("value_float") else np.int64
    return constant_tensor(name, np.asarray(attribute.value, dtype=dtype))


def _python_value(attribute: ir.Attr) -> Any:
    value = attribute.value
    if attribute.type == ir.AttributeType.TENSOR:
        return value.numpy() if value is not None else None
    if isinstance(value, tuple | list):
        return tuple(value)
    return value
