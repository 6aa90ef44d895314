"""Name axes by their positions, so equal work has equal keys: it is compiled once and shares its tactics."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.kernels.task import Store
from burnish.ops.language.expr import Axis, Expr, axis, reduce, substitute, substitute_axes


def canonical(domain: Sequence[Axis], stores: Sequence[Store]) -> tuple[tuple[Axis, ...], tuple[Store, ...]]:
    """Rename axes, so that equal work has equal keys, and equal reductions are one expression, computed once.

    i0, i1 ...   the domain, from outer to inner
    r0_0 ...     a reduction's axes: the number of reductions nested in it, then the number of the axis
    """
    names = {a: axis(Axis(f"i{n}", a.extent)) for n, a in enumerate(domain)}

    def rename(root: Expr) -> Expr:
        return share_reductions(substitute_axes(root, names))

    renamed = tuple(Store(s.slot, tuple(rename(i) for i in s.index), rename(s.value)) for s in stores)
    return tuple(names[a].attr for a in domain), renamed


def share_reductions(root: Expr) -> Expr:
    """Name the axes of reductions by height and place, so that equal reductions are one expression."""
    height: dict[Expr, int] = {}

    def replace(e: Expr) -> Expr | None:
        if e.op == "reduce":
            kind, axes = e.attr
            level = _height(e.args[0], height)
            fresh = tuple(Axis(f"r{level}_{n}", a.extent) for n, a in enumerate(axes))
            body = substitute_axes(e.args[0], {old: axis(new) for old, new in zip(axes, fresh)})
            return reduce(kind, fresh, body)
        return None

    return substitute(root, replace)


def _height(root: Expr, done: dict[Expr, int]) -> int:
    """How deep reductions are nested in an expression."""
    if root not in done:
        below = max((_height(a, done) for a in root.args), default=0)
        done[root] = below + (root.op == "reduce")
    return done[root]
