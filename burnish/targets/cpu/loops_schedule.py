"""Schedules of the loops template and the cost model that ranks them.

vector   which axis of the (collapsed) domain goes to the lanes, -1 for none; width: lanes
tile     which axis is walked `rows` at a time in straight-line code, -1 for none
block    the vector axis is cut into units of so many elements (0: one unit has all of it)
split    units: shared out over the threads; serial: thread 0 does everything
"""

from __future__ import annotations

from collections.abc import Mapping

from burnish.dims import Dim, evaluate, product, symbols
from burnish.lower.schedule import Schedule
from burnish.lower.task import Loops
from burnish.ops.expr import Axis, Expr, free_axes, walk
from burnish.target import Target
from burnish.targets.cpu.facts import flatten

_USUAL = 64  # a dimension that nobody has told us about
_SERIAL_NS = 3000.0
_HEAVY = {"exp": 12, "log": 16, "tanh": 20, "erf": 30, "sigmoid": 18, "pow": 60, "div": 4, "sqrt": 4, "reciprocal": 4}
_LONG = frozenset(
    (
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "asinh",
        "acosh",
        "atanh",
        "log1p",
        "expm1",
        "fmod",
        "mod",
    )
)


def can_mask(kernel: Loops, target: Target) -> bool:
    """Are masked loads and stores instructions for every dtype in memory?"""
    if target.level == "x86-64-v4":
        return True
    return target.level == "x86-64-v3" and all(s.dtype.size_bytes >= 4 for s in kernel.slots)


def ranked(kernel: Loops, target: Target, sizes: Mapping[str, int]) -> list[Schedule]:
    """All schedules of a collapsed kernel, cheapest first; the same list on every machine."""
    lanes = target.vector_bytes // 4
    found: list[tuple[float, int, Schedule]] = []
    for vector in [*range(len(kernel.domain)), -1]:
        width = _width(kernel.domain[vector], lanes) if vector >= 0 else 1
        if vector >= 0 and width == 1 and len(kernel.domain) > 1:
            continue
        cost = _cost(kernel, vector, width, sizes)
        serial = cost < _SERIAL_NS
        for tile, rows in _tiles(kernel, vector):
            block = _block(kernel, vector, tile, rows, width, sizes)
            for split in ("serial", "units") if serial else ("units", "serial"):
                schedule = Schedule.of(
                    "loops", vector=vector, width=width, tile=tile, rows=rows, block=0 if split == "serial" else block,
                    split=split,
                )  # fmt: skip
                penalty = 1.0 if (split == "serial") == serial else 2.0
                found.append((cost * penalty, len(found), schedule))
    return [s for _, _, s in sorted(found, key=lambda item: item[:2])]


def size(value: Dim, sizes: Mapping[str, int]) -> int:
    """A dim at the usual values of its symbols."""
    return evaluate(value, {name: sizes.get(name, _USUAL) for name in symbols(value)})


def _width(axis: Axis, lanes: int) -> int:
    """Full lanes, or the power of two that just holds a short axis."""
    if isinstance(axis.extent, int):
        while lanes > 1 and lanes >= 2 * axis.extent:
            lanes //= 2
    return lanes


def _tiles(kernel: Loops, vector: int) -> list[tuple[int, int]]:
    """(axis, rows): only reductions inside vectors gain from several rows at once."""
    axis = kernel.domain[vector] if vector >= 0 else None
    inner = [
        e
        for s in kernel.stores
        for e in walk(s.value)
        if e.op == "reduce" and axis is not None and axis in free_axes(e)
    ]
    candidates = [n for n in range(len(kernel.domain)) if n != vector]
    if not inner or not candidates:
        return [(-1, 1)]
    tile = candidates[-1]
    extent = kernel.domain[tile].extent
    if not isinstance(extent, int):
        return [(tile, 4), (-1, 1)]
    rows = next((r for r in (7, 8, 6, 5, 4, 3, 2) if extent % r == 0), 4 if extent > 8 else 1)
    return [(tile, rows), (-1, 1)] if rows > 1 else [(-1, 1)]


def _block(kernel: Loops, vector: int, tile: int, rows: int, width: int, sizes: Mapping[str, int]) -> int:
    """Cut the vector axis when the units without it are too few to balance, and no row reduction would be repeated."""
    if vector < 0:
        return 0
    axis = kernel.domain[vector]
    units = 1
    for n, a in enumerate(kernel.domain):
        if n != vector:
            units *= -(-size(a.extent, sizes) // (rows if n == tile else 1))
    extent = size(axis.extent, sizes)
    if units >= 16 or units == 1 or extent < 4 * width or has_row_reductions(kernel, axis):
        return 0
    pieces = min(-(-16 // units), extent // (2 * width))
    return max(width, -(-extent // pieces // width) * width)


def has_row_reductions(kernel: Loops, vector: Axis) -> bool:
    """Is there a reduction that does not depend on the vector axis?"""
    return any(e.op == "reduce" and vector not in free_axes(e) for s in kernel.stores for e in walk(s.value))


def _cost(kernel: Loops, vector: int, width: int, sizes: Mapping[str, int]) -> float:
    """Nanoseconds on one thread, roughly: cycles of each node times how often it is evaluated, at 3 GHz."""
    axis = kernel.domain[vector] if vector >= 0 else None
    cycles = 0.0
    for s in kernel.stores:
        cycles += _cycles(kernel, s.value, axis, width, sizes)
        step = flatten(kernel.slots[s.slot], s.index).form.coefficients.get(axis, 0) if axis else 0
        points = product(a.extent for a in kernel.domain)
        cycles += size(points, sizes) / width * (1.0 if step in (0, 1) else 2.0 * width)
    return cycles / 3.0


def _cycles(kernel: Loops, root: Expr, axis: Axis | None, width: int, sizes: Mapping[str, int]) -> float:
    total = 0.0
    reduced: dict[Expr, frozenset[Axis]] = {}
    for node in reversed(walk(root)):  # users before arguments: a reduction's axes reach its body
        around = reduced.get(node, frozenset())
        inner = around | set(node.attr[1]) if node.op == "reduce" else around
        for a in node.args:
            reduced[a] = reduced.get(a, frozenset()) | inner
        over = free_axes(node) | (set(node.attr[1]) if node.op == "reduce" else set())
        times = size(product(a.extent for a in over), sizes)
        total += times * _node_cycles(kernel, node, axis, over, width)
    return total


def _node_cycles(kernel: Loops, node: Expr, axis: Axis | None, over: frozenset[Axis] | set[Axis], width: int) -> float:
    lanes = width if axis in over else (8 if node.op != "reduce" and len(over) > 1 else 1)
    if node.op in ("const", "axis", "dim", "acc"):
        return 0.0
    if node.op == "load":
        address = flatten(kernel.slots[node.attr], node.args)
        step = address.form.coefficients.get(axis, 0) if axis is not None else 0
        gathered = any(axis in free_axes(e) for e, _ in address.atoms) if axis is not None else False
        return 2.0 if gathered or step not in (0, 1) else 0.5 / lanes
    heavy = 40.0 if node.op in _LONG and node.dtype.is_float else float(_HEAVY.get(node.op, 1))
    return heavy * 0.5 / lanes
