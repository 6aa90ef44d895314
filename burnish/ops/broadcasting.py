"""ONNX's (numpy's) broadcasting: shapes aligned at their last axis, where 1 fits anything.

Two dims that may differ before the run: the result is the larger (or nothing, where one is 0 and the other 1), and the
smaller side is read at min(index, extent - 1), which is 0 where its extent turns out to be 1 and the index itself where
both turn out equal. That one of both holds is a requirement, which the runtime checks.
"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.dims import Dim, format_shape
from burnish.dtypes import DType
from burnish.ops.agreement import agree
from burnish.ops.language.definition import Index, Shape, Tensor
from burnish.ops.language.expr import Expr, binary, const
from burnish.ops.language.ordering import larger, smaller
from burnish.ops.registry import Misfit

ZERO = const(0, DType.I64)


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape to which all shapes broadcast. Misfit if two known extents differ and neither is 1."""
    rank = max((len(s) for s in shapes), default=0)
    result: list[Dim] = [1] * rank
    for shape in shapes:
        for axis, extent in enumerate(shape, start=rank - len(shape)):
            result[axis] = _broadcast_dims(result[axis], extent, shapes, axis - rank)
    return tuple(result)


def broadcast_index(shape: Shape, index: Index, to: Shape) -> list[Expr]:
    """The index at which a tensor of `shape` is read for the element `index` of the result of shape `to`."""
    skipped = len(to) - len(shape)
    return [_position(shape[axis], index[skipped + axis], to[skipped + axis]) for axis in range(len(shape))]


def broadcast_load(tensor: Tensor, index: Index, to: Shape) -> Expr:
    """The element of `tensor` that belongs to the element `index` of the result of shape `to`."""
    return tensor[broadcast_index(tensor.shape, index, to)]


def is_affine_broadcast(shape: Shape, to: Shape) -> bool:
    """Whether every axis is read at its index or at 0, for all values of the symbols."""
    aligned = to[len(to) - len(shape) :]
    return all(extent in (1, target) for extent, target in zip(shape, aligned))


def spread(extent: Dim, target: Dim) -> Dim:
    """The step of an operand's axis when the result's axis moves by one: 0 if it has one position, otherwise 1.

    What is affine says `index * spread(...)`: a stride that the shapes decide.
    """
    if isinstance(extent, int):
        return min(1, abs(extent - 1))
    return 1 if extent == target else smaller(1, extent - 1)


def _broadcast_dims(one: Dim, other: Dim, shapes: Sequence[Shape], axis: int) -> Dim:
    if one == other or other == 1:
        return one
    if one == 1:
        return other
    text = " and ".join(map(format_shape, shapes))
    if isinstance(one, int) and isinstance(other, int):
        raise Misfit(f"shapes {text} do not broadcast")
    if isinstance(agree(one, other, f"axis {axis} of the shapes {text}", "broadcast"), int):
        return one if isinstance(one, int) else other  # the symbol must turn out to be 1 or this number
    return larger(one, other) * smaller(1, smaller(one, other))


def _position(extent: Dim, index: Expr, target: Dim) -> Expr:
    if extent == 1:
        return ZERO
    return index if extent == target else binary("min", index, extent - 1)
