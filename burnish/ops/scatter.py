"""ScatterND and ScatterElements, read backwards: which update, if any, lands on an element.

Known points that fill a box (x[:, 2:5] = y, as exporters write it) make that a comparison per axis. A few points that
are not known are searched: the last one that matches wins, or all that match are combined (add, mul, max, min).
Everything else is left to the reference kernel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from burnish.dims import known
from burnish.dtypes import DType
from burnish.ops.agreement import agree_all, agree_at, inside, inside_range
from burnish.ops.arguments import axis_in
from burnish.ops.language.definition import Compute, Index, NodeView, Tensor
from burnish.ops.language.expr import Axis, Expr, axis, binary, cast, const, fresh_axis, reduce, where
from burnish.ops.movement import load_or
from burnish.ops.registry import Misfit, Undefined, operator

SEARCHED_POINTS = 64
COMBINE: dict[str, tuple[str, int | None]] = {
    "add": ("sum", 0),
    "mul": ("prod", 1),
    "max": ("max", None),
    "min": ("min", None),
}


@operator("ScatterND")
def scatter_nd(node: NodeView) -> Compute:
    x, indices, updates = (node.tensor(i) for i in range(3))
    combine = _reduction(node)
    depth = indices.shape[-1]
    if not isinstance(depth, int):
        raise Undefined("ScatterND at points of symbolic length")
    wanted = (*indices.shape[:-1], *x.shape[depth:])
    agree_all(updates.shape, wanted, f"'{updates.name}' and what the points of '{indices.name}' hold")
    box = _box(indices, depth, x)
    outer = indices.rank - 1
    if box is not None:
        return Compute(x.dtype, x.shape, lambda i: _from_box(x, updates, box, outer, i, combine))
    count = [d for d in indices.shape[:-1] if isinstance(d, int)]
    if len(count) != outer or int(np.prod(count)) > SEARCHED_POINTS:
        raise Undefined("ScatterND at many points that are no box")
    for n in range(depth):
        inside(indices, x, n, n)

    def body(i: Index) -> Expr:
        run = [fresh_axis(d) for d in count]
        matches: Expr = const(True, DType.BOOL)
        for n in range(depth):
            point = _wrapped(indices[[*(axis(r) for r in run), n]], x, n)
            matches = binary("and", matches, binary("eq", point, i[n]))
        if combine is not None:
            return _combined(combine, x[i], run, matches, updates[[*(axis(r) for r in run), *i[depth:]]])
        number: Expr = const(0, DType.I64)
        for r, d in zip(run, count):
            number = number * d + axis(r)
        last = reduce("max", run, where(matches, number, -1))
        chosen = _unflatten(binary("max", last, 0), count)
        return where(binary("ge", last, 0), updates[[*chosen, *i[depth:]]], x[i])

    return Compute(x.dtype, x.shape, body)


def _reduction(node: NodeView) -> str | None:
    """The operation that combines updates with what is there; None to replace it."""
    reduction = node.attr("reduction", "none")
    if reduction not in ("none", *COMBINE):
        raise Undefined(f"{node.op_type}(reduction='{reduction}')")
    return None if reduction == "none" else str(reduction)


def _combined(name: str, old: Expr, run: Sequence[Axis], matches: Expr, update: Expr) -> Expr:
    """The old element with every matching update."""
    kind, neutral = COMBINE[name]
    return binary(name, old, reduce(kind, run, where(matches, update, old if neutral is None else neutral)))


def _wrapped(index: Expr, x: Tensor, a: int) -> Expr:
    i = cast(index, DType.I64)
    return where(binary("lt", i, 0), i + x.shape[a], i)


def _unflatten(number: Expr, shape: Sequence[int]) -> list[Expr]:
    result: list[Expr] = []
    for d in reversed(shape):
        result.insert(0, number % d)
        number = number // d
    return result


Box = list[tuple[int, int, int, int | None]]


def _box(indices: Tensor, depth: int, x: Tensor) -> Box | None:
    """(start, step, count, axis of the updates) for each coordinate, if the points are evenly spaced in each."""
    points = _known_points(indices)
    if points is None or points.size == 0 or not all(isinstance(d, int) for d in x.shape[:depth]):
        return None
    extents = np.asarray([known(d) for d in x.shape[:depth]])
    points = np.where(points < 0, points + extents, points)
    if (points < 0).any() or (points >= extents).any():
        return None
    box: Box = []
    free = list(range(points.ndim - 1))
    for n in range(depth):
        along = [a for a in range(points.ndim - 1) if np.ptp(points[..., n], axis=a).any()]
        if len(along) > 1 or any(a not in free for a in along):
            return None  # a slanted line of points
        first = int(points[(0,) * (points.ndim - 1) + (n,)])
        if not along:
            box.append((first, 1, 1, None))
            continue
        (a,) = along
        line = points[(*(slice(None) if b == a else 0 for b in range(points.ndim - 1)), n)]
        step = int(line[1] - line[0])
        if (np.diff(line) != step).any():
            return None
        free.remove(a)
        box.append((first, step, len(line), a))
    if any(points.shape[a] > 1 for a in free):
        return None  # one element is written several times
    return box


def _known_points(indices: Tensor) -> np.ndarray | None:
    if indices.array is not None:
        return indices.array
    if indices.elements is None or not all(isinstance(e, int) for e in (*indices.elements, *indices.shape)):
        return None
    return np.asarray(indices.elements, np.int64).reshape([known(d) for d in indices.shape])


def _from_box(x: Tensor, updates: Tensor, box: Box, outer: int, i: Index, combine: str | None) -> Expr:
    at: list[Expr] = [const(0, DType.I64)] * outer
    inside: Expr = const(True, DType.BOOL)
    for n, (first, step, count, along) in enumerate(box):
        offset = i[n] - first if step > 0 else first - i[n]
        stride = abs(step)
        within = binary("and", binary("ge", offset, 0), binary("le", offset, (count - 1) * stride))
        if stride > 1:
            within = binary("and", within, binary("eq", offset % stride, 0))
        inside = within if inside.op == "const" else binary("and", inside, within)
        if along is not None:
            at[along] = binary("max", binary("min", offset // stride, count - 1), 0)
    update = updates[[*at, *i[len(box) :]]]
    return where(inside, update if combine is None else binary(combine, x[i], update), x[i])


@operator("ScatterElements")
def scatter_elements(node: NodeView) -> Compute:
    """out[..., indices[j], ...] = updates[j], for each line along the axis"""
    x, indices, updates = (node.tensor(i) for i in range(3))
    combine = _reduction(node)
    a = axis_in(node.attr("axis", 0), x.rank)
    agree_all(updates.shape, indices.shape, f"'{updates.name}' and '{indices.name}'")
    if indices.rank != x.rank:
        raise Misfit(f"indices of rank {indices.rank} for a tensor of rank {x.rank}")
    for n in range(x.rank):
        if n != a:
            agree_at(indices, n, x, n, "at_most")
    count = indices.shape[a]
    if not isinstance(count, int) or count > SEARCHED_POINTS:
        raise Undefined("ScatterElements with many updates along its axis")
    inside(indices, x, a)

    def body(i: Index) -> Expr:
        run = fresh_axis(count)
        covered: Expr = const(True, DType.BOOL)
        line = list(i)
        for n in range(x.rank):
            if n != a and indices.shape[n] != x.shape[n]:
                check = binary("lt", i[n], indices.shape[n])
                covered = check if covered.op == "const" else binary("and", covered, check)
                line[n] = binary("min", i[n], indices.shape[n] - 1)
        line[a] = axis(run)
        matches = binary("eq", _wrapped(indices[line], x, a), i[a])
        if combine is not None:
            matches = matches if covered.op == "const" else binary("and", covered, matches)
            return _combined(combine, x[i], [run], matches, updates[line])
        last = reduce("max", (run,), where(matches, axis(run), -1))
        line[a] = binary("max", last, 0)
        found = binary("ge", last, 0)
        found = found if covered.op == "const" else binary("and", covered, found)
        return where(found, updates[line], x[i])

    return Compute(x.dtype, x.shape, body)


@operator("TensorScatter")
def tensor_scatter(node: NodeView) -> Compute:
    """A cache with new rows: update[s] at row write_indices[batch] + s, modulo the rows if circular"""
    x, updates, starts = node.tensor(0), node.tensor(1), node.optional(2)
    a = axis_in(node.attr("axis", -2), x.rank)
    is_circular = node.attr("mode", "linear") == "circular"
    for n in range(x.rank):
        agree_at(updates, n, x, n, "at_most" if n == a else "equal")
    if starts is not None:
        agree_at(starts, 0, x, 0)
    if starts is not None and not is_circular:
        what = f"'{starts.name}', where '{updates.name}' is written into axis {a} of '{x.name}'"
        inside_range(starts, 0, x.shape[a] - updates.shape[a], what)

    def body(i: Index) -> Expr:
        start = const(0, DType.I64) if starts is None else cast(starts[(i[0],)], DType.I64)
        row = (i[a] - start) % x.shape[a] if is_circular else i[a] - start
        return load_or(updates, [row if n == a else v for n, v in enumerate(i)], [a], x[i])

    return Compute(x.dtype, x.shape, body)
