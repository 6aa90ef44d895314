"""Tensors made from sizes: Shape, Size, ConstantOfShape, Range, EyeLike."""

from __future__ import annotations

import math

import numpy as np

from burnish.dims import Dim, ceildiv, product
from burnish.dtypes import DType
from burnish.ops.arguments import dims_content, elements_of
from burnish.ops.language.definition import Compute, Index, NodeView
from burnish.ops.language.expr import Expr, binary, cast, const, dim, where
from burnish.ops.language.node_view import constant_tensor
from burnish.ops.language.ordering import larger
from burnish.ops.registry import Misfit, Undefined, operator


@operator("Shape")
def shape(node: NodeView) -> Compute:
    x = node.tensor(0)
    dims = x.shape[node.attr("start", 0) : node.attr("end")]

    def body(i: Index) -> Expr:
        result = dim(dims[-1]) if dims else const(0, DType.I64)
        for n in reversed(range(len(dims) - 1)):
            result = where(binary("eq", i[0], n), dim(dims[n]), result)
        return result

    return Compute(DType.I64, (len(dims),), body)


@operator("Size")
def size(node: NodeView) -> Compute:
    count = product(node.tensor(0).shape)
    return Compute(DType.I64, (), lambda i: dim(count))


@operator("ConstantOfShape")
def constant_of_shape(node: NodeView) -> Compute:
    dims = dims_content(node, 0)
    if dims is None:
        raise Misfit("no shape is given")
    value = node.attr("value")
    fill = constant_tensor("value", np.zeros(1, np.float32) if value is None else value)
    if fill.elements is None or len(fill.elements) != 1:
        raise Misfit("a fill value that is not one element")
    element = const(fill.elements[0], fill.dtype)
    return Compute(fill.dtype, dims, lambda i: element)


@operator("Range")
def range_(node: NodeView) -> Compute:
    """start + i * delta, for as long as it is below the limit (above it, if delta is negative)."""
    start, limit, delta = (node.tensor(i) for i in range(3))
    first, end, step = (elements_of(t, "Range")[0] for t in (start, limit, delta))
    if not isinstance(step, int | float) or step == 0:
        raise Undefined("Range with a symbolic step" if step != 0 else "Range with a step of 0")
    count: Dim
    if isinstance(step, int):
        count = larger(ceildiv(end - first, step) if step > 0 else ceildiv(first - end, -step), 0)
    elif isinstance(first, float | int) and isinstance(end, float | int):
        count = max(math.ceil((end - first) / step), 0)
    else:
        raise Undefined("Range of floats with symbolic limits")
    dtype = start.dtype

    def body(i: Index) -> Expr:
        begin = cast(dim(first), dtype) if not isinstance(first, float) else const(first, dtype)
        return begin + cast(i[0], dtype) * step

    return Compute(dtype, (count,), body)


@operator("EyeLike")
def eye_like(node: NodeView) -> Compute:
    x = node.tensor(0)
    number = node.attr("dtype")
    dtype = x.dtype if number is None else DType.from_onnx(number)
    k = node.attr("k", 0)

    def body(i: Index) -> Expr:
        return where(binary("eq", i[1] - i[0], k), const(1, dtype), const(0, dtype))

    return Compute(dtype, x.shape, body)
