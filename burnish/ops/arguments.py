"""Reading a node's arguments: axes, sizes and other content that a definition must know before the run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from burnish.dims import Dim, DimExpr
from burnish.dtypes import DType
from burnish.ops.language.definition import NodeView, Tensor
from burnish.ops.language.expr import Expr, cast, dim
from burnish.ops.registry import Misfit, Undefined


def content(node: NodeView, i: int) -> tuple[Any, ...] | None:
    """The elements of input i; None if the input is left out. Undefined if they are known only during the run."""
    tensor = node.optional(i)
    return None if tensor is None else elements_of(tensor, node.op_type)


def elements_of(tensor: Tensor, op_type: str) -> tuple[Any, ...]:
    """The elements of a tensor. Undefined if they are known only during the run."""
    if tensor.elements is None:
        raise Undefined(f"{op_type} whose input '{tensor.name}' is only known during the run")
    return tensor.elements


def dims_content(node: NodeView, i: int, attribute: str = "") -> tuple[Dim, ...] | None:
    """Sizes or positions from input i, or from the attribute that older opsets have instead."""
    elements = content(node, i)
    if elements is None:
        elements = node.attr(attribute) if attribute else None
    if elements is None:
        return None
    if not all(isinstance(e, int | DimExpr) for e in elements):
        raise Undefined(f"{node.op_type} with sizes that are no integers")
    return tuple(elements)


def ints_content(node: NodeView, i: int, attribute: str = "") -> tuple[int, ...] | None:
    """As `dims_content`, for arguments that must be numbers (axes, steps)."""
    dims = dims_content(node, i, attribute)
    if dims is None:
        return None
    numbers = tuple(d for d in dims if isinstance(d, int))
    if len(numbers) != len(dims):
        raise Undefined(f"{node.op_type} with a symbolic {attribute or 'argument'}")
    return numbers


def axis_in(axis: int, rank: int) -> int:
    """An axis as 0 <= axis < rank; negative ones count from the end."""
    if not -rank <= axis < max(rank, 1):
        raise Misfit(f"axis {axis} of a tensor of rank {rank}")
    return axis % rank if rank else 0


def axes_in(axes: Iterable[int], rank: int) -> tuple[int, ...]:
    """Sorted, each once."""
    return tuple(sorted({axis_in(a, rank) for a in axes}))


def size(value: Dim, dtype: DType) -> Expr:
    """A dimension as a number of the dtype."""
    return cast(dim(value), dtype)
