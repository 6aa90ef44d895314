"""GridSample: read the input at coordinates that are data, nearest or linear between neighbours.

Coordinates are normalised, -1 .. 1 over an axis; the last of a point's coordinates belongs to the first spatial axis.
Outside the input: zeros, the border's element, or the input reflected.
"""

from __future__ import annotations

import itertools

from burnish.dims import Dim, product
from burnish.dtypes import DType
from burnish.ops.agreement import agree, agree_at, not_empty
from burnish.ops.arguments import size
from burnish.ops.language.definition import Compute, Index, NodeView, Tensor
from burnish.ops.language.expr import Expr, binary, cast, const, unary, where
from burnish.ops.movement import load_or
from burnish.ops.registry import Undefined, operator

MODES = {"linear": "linear", "bilinear": "linear", "nearest": "nearest"}


@operator("GridSample")
def grid_sample(node: NodeView) -> Compute:
    x, grid = node.tensor(0), node.tensor(1)
    mode = MODES.get(node.attr("mode", "linear"))
    if mode is None:
        raise Undefined(f"GridSample(mode='{node.attr('mode')}')")
    spatial = x.rank - 2
    agree_at(grid, 0, x, 0)
    for a in range(spatial):
        not_empty(x, 2 + a, product(grid.shape[:-1]))
    agree(grid.shape[-1], spatial, f"the coordinates of a point of '{grid.name}' and the axes of '{x.name}'")

    def body(i: Index) -> Expr:
        points = [grid[[i[0], *i[2:], spatial - 1 - a]] for a in range(spatial)]
        at = [_inside(node, _pixels(node, p, d), d) for p, d in zip(points, x.shape[2:])]
        if mode == "nearest":
            return _load(node, x, [*i[:2], *(cast(unary("round", v), DType.I64) for v in at)])
        return _between(node, x, i, at)

    return Compute(x.dtype, (*x.shape[:2], *grid.shape[1:-1]), body)


def _between(node: NodeView, x: Tensor, i: Index, at: list[Expr]) -> Expr:
    """The weighted sum of the 2**k neighbours."""
    below = [unary("floor", v) for v in at]
    corners = [
        ((low, const(1, v.dtype) - (v - low)), (low + 1, v - low)) for v, low in zip(at, below)
    ]  # (position, weight) on each axis
    total: Expr | None = None
    for corner in itertools.product(*corners):
        value = _load(node, x, [*i[:2], *(cast(position, DType.I64) for position, _ in corner)])
        for _, weight in corner:
            value = value * cast(weight, x.dtype)
        total = value if total is None else total + value
    assert total is not None
    return total


def _pixels(node: NodeView, point: Expr, extent: Dim) -> Expr:
    """-1 .. 1 as positions on the axis: between the corners' centres (align_corners), else their outer edges."""
    length = size(extent, point.dtype)
    if node.attr("align_corners", 0):
        return (point + 1) * 0.5 * (length - 1)
    return ((point + 1) * length - 1) * 0.5


def _inside(node: NodeView, at: Expr, extent: Dim) -> Expr:
    """The position after the padding mode. With zeros, it is moved to at most the range that a pixel reaches."""
    last = size(extent, at.dtype) - 1
    mode = node.attr("padding_mode", "zeros")
    if mode == "border":
        return binary("max", binary("min", at, last), 0)
    if mode == "zeros":
        return binary("max", binary("min", at, last + 2), -2)
    half = 0.0 if node.attr("align_corners", 0) else 0.5
    span = last + 2 * half
    folded = binary("fmod", unary("abs", at + half), span * 2)
    reflected = where(binary("gt", folded, span), span * 2 - folded, folded) - half
    return where(binary("gt", span, 0), reflected, const(0, at.dtype))


def _load(node: NodeView, x: Tensor, position: list[Expr]) -> Expr:
    if node.attr("padding_mode", "zeros") == "zeros":
        return load_or(x, position, list(range(2, x.rank)), const(0, x.dtype))
    clamped = [binary("max", binary("min", p, d - 1), 0) for p, d in zip(position[2:], x.shape[2:])]
    return x[[*position[:2], *clamped]]
