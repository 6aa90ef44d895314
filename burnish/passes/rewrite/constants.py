"""Read values that are known at build time: constants as arrays and numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

Array = np.ndarray[Any, Any]


def constant_array(value: ir.Value | None) -> Array | None:
    """The content of a constant (an initializer or a Constant node's output), otherwise None. Never copies a weight."""
    if value is None or value.is_graph_input():
        return None
    tensor = value.const_value
    if tensor is None:
        tensor = ir.convenience.get_const_tensor(value)
    if tensor is None:
        return None
    if tensor.dtype == ir.DataType.STRING:
        return np.array(tensor.numpy(), dtype=object)
    array: Array = np.asarray(tensor.numpy())
    return array


def is_constant(value: ir.Value | None) -> bool:
    """True for an initializer or the output of a Constant node; does not read the content."""
    if value is None or value.is_graph_input():
        return False
    producer = value.producer()
    return value.const_value is not None or (
        producer is not None and producer.op_type == "Constant" and producer.domain == ""
    )


def constant_number(value: ir.Value | None) -> int | float | bool | None:
    """The number in a constant of exactly one element, for any rank; otherwise None."""
    if not is_constant(value):
        return None
    array = constant_array(value)
    if array is None or array.size != 1 or array.dtype == object:
        return None
    return array.reshape(()).astype(_wide(array.dtype)).item()  # type: ignore[no-any-return]


def constant_integers(value: ir.Value | None) -> tuple[int, ...] | None:
    """The elements of a small constant i64 or i32 tensor of rank 0 or 1, else None."""
    array = constant_array(value)
    if array is None or array.dtype not in (np.int64, np.int32) or array.ndim > 1:
        return None
    return tuple(int(v) for v in array.reshape(-1))


def integer_shape(value: ir.Value | None) -> tuple[int, ...] | None:
    """The shape if every dimension is known as an int, else None."""
    if value is None or value.shape is None or not all(isinstance(d, int) for d in value.shape):
        return None
    return tuple(int(d) for d in value.shape)  # type: ignore[arg-type]


def has_same_shape(left: ir.Value | None, right: ir.Value | None) -> bool:
    """True if both shapes are known and equal in every run: equal ints, or the same named dimension."""
    if left is None or right is None or left.shape is None or right.shape is None:
        return False
    if len(left.shape) != len(right.shape):
        return False
    return all(
        a == b if isinstance(a, int) or isinstance(b, int) else a.value is not None and a.value == b.value
        for a, b in zip(left.shape, right.shape, strict=True)
    )


def new_initializer(graph: ir.Graph, array: Array, name: str) -> ir.Value:
    """Register a constant under a name that is not taken yet in this graph."""
    unique, n = name, 0
    taken = graph.initializers
    while unique in taken or any(v.name == unique for v in graph.inputs):
        n += 1
        unique = f"{name}_{n}"
    tensor = ir.tensor(array, name=unique)
    value = ir.Value(name=unique, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.register_initializer(value)
    return value


def _wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """float64 for ml_dtypes' small floats, whose `item` is no Python number; else the dtype itself."""
    return dtype if dtype.kind in "biuf" else np.dtype(np.float64)
