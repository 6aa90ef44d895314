"""The outermost scope of a piece of code (`kernels.scope`), in which a template begins to write expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llvmlite import ir

from burnish.kernels.slot import Slot
from burnish.ops.language.expr import Axis, Expr
from burnish.targets.cpu.builder import KernelBuilder
from burnish.targets.cpu.expressions.lanes import LaneInstructions, Lanes, Values, bound
from burnish.targets.cpu.expressions.reductions import reduce


def values_at(
    builder: KernelBuilder,
    slots: Sequence[Slot],
    axes: Mapping[Axis, ir.Value],
    *,
    vector: Axis | None = None,
    width: int = 1,
    mask: ir.Value | None = None,
    accumulators: Sequence[ir.Value] = (),
    pointers: Sequence[ir.Value] | None = None,
) -> Values:
    """A scope at the builder's position.

    axes    the i64 value of each axis. The axis `vector` goes through `width` lanes; its value is that of lane 0
    mask    lanes that exist, for a vector's tail; None: all
    pointers  of the slots, if they are not the builder's own
    """
    has_lanes = vector is not None and width > 1
    code = LaneInstructions(
        builder,
        builder.slots if pointers is None else tuple(pointers),
        width=width if has_lanes else 1,
        mask=mask if has_lanes else None,
        reducer=reduce,
    )
    return Values(code, slots, bound(axes, vector, width), accumulators=[Lanes(a) for a in accumulators])


def vectorised(scope: Values, expr: Expr) -> ir.Value:
    """The expression's value in all lanes of the scope."""
    return scope.code.builder.splat(scope.value(expr).value, scope.code.width)
