"""The expression that a template applies to its accumulators before it stores them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from burnish.dtypes import DType
from burnish.kernels.task import Store
from burnish.lower.fuse import epilogue_index
from burnish.lower.kernels import Slots, bind_loads, flat_index
from burnish.lower.placement import Placement
from burnish.lower.scope import Body
from burnish.ops.language import expr as ex
from burnish.ops.language.definition import Tensor
from burnish.ops.language.expr import Expr, substitute, substitute_axes

Place = Callable[[Expr], Placement | Expr]


def store_of(
    template: Tensor, body: Body, index: Sequence[Expr], result: Expr, into: Placement, place: Place, slots: Slots
) -> Store:
    """The root's expression with the template's result in place of its load.

    index:  the template's output index in the kernel's own axes
    result: the value at that index, made of acc(0) and loads (bias)
    into:   the placement of the root
    """
    positions, reason = epilogue_index(body, template)
    assert not reason, reason
    zero = ex.const(0, DType.I64)
    values = {a: index[positions[a]] if a in positions else zero for a in body.axes}
    expr = substitute(body.expr, lambda e: result if e.op == "load" and e.attr is template else None)
    # `result` speaks of the kernel's axes already; the root's axes are others, so one substitution does both
    value = bind_loads(substitute_axes(expr, values), place, slots)
    slot = slots.number(into)
    slots.written.add(slot)
    return Store(slot, (flat_index([values[a] for a in body.axes], into),), value)


def plain_body(tensor: Tensor) -> Body:
    """A template without consumers in its kernel: out = acc."""
    axes = tuple(ex.fresh_axis(n, "a") for n in tensor.shape)
    return Body(axes, tensor[[ex.axis(a) for a in axes]], True)


def spelled_out(template: Tensor, body: Body, value: Callable[[Sequence[Expr]], Expr]) -> Body:
    """The root's body for loops, if its template has no kernel. value: the template's element at an index."""

    def replace(e: Expr) -> Expr | None:
        return value(e.args) if e.op == "load" and e.attr is template else None

    return Body(body.axes, substitute(body.expr, replace), False)
