"""Schedules of the loops template, ranked by the cost model. What their options mean: options.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from burnish.dims import product
from burnish.dtypes import DType
from burnish.kernels.facts import Address, Facts
from burnish.kernels.task import Loops, Store
from burnish.kernels.usual_size import usual_size
from burnish.ops.language.expr import Axis, Expr, free_axes, walk
from burnish.target import Target
from burnish.targets.cpu.hardware import SERIAL_NS
from burnish.targets.cpu.loops.cost import Cost
from burnish.targets.cpu.loops.interleave import interleaved_axis
from burnish.targets.cpu.loops.options import LoopsOptions

_L1_BYTES, _L2_BYTES = 32 << 10, 3 << 19  # the bytes that a window, and its tensor, may take


def can_mask(kernel: Loops, target: Target) -> bool:
    """Are masked loads and stores instructions for every dtype in memory?"""
    if target.level == "x86-64-v4":
        return True
    return target.level == "x86-64-v3" and all(s.dtype.size_bytes >= 4 for s in kernel.slots)


def ranked(kernel: Loops, target: Target, sizes: Mapping[str, int]) -> list[LoopsOptions]:
    """All schedules of a prepared kernel, cheapest first; the same list on every machine."""
    cost = Cost(kernel, target, sizes)
    found: list[tuple[float, int, LoopsOptions]] = []
    for vector, width in _vectors(kernel, target):
        axis = kernel.domain[vector] if width > 1 else None
        for tile, rows in _tiles(kernel, vector if width > 1 else -1):
            beside = axis is not None and tile >= 0 and interleaved_axis(kernel, axis) == kernel.domain[tile]
            time_ns = cost.nanoseconds(axis, width, beside)
            serial = time_ns < SERIAL_NS
            block = _block(kernel, vector, tile, rows, width, sizes)
            for split in ("serial", "units") if serial else ("units", "serial"):
                options = LoopsOptions(vector, width, tile, rows, 0 if split == "serial" else block, split)
                found.append((time_ns * (1.0 if options.is_serial == serial else 2.0), len(found), options))
    return [options for _, _, options in sorted(found, key=lambda item: item[:2])]


def is_offered(kernel: Loops, options: LoopsOptions, target: Target) -> bool:
    """Is it one of a prepared kernel's schedules for some sizes? Sizes decide only order and `block`, whole vectors."""
    offered = {replace(each, block=0) for each in ranked(kernel, target, {})}
    return replace(options, block=0) in offered and options.block % options.width == 0


def _vectors(kernel: Loops, target: Target) -> Iterator[tuple[int, int]]:
    """(axis, width): each axis in the lanes; the last choice has no axis in the lanes."""
    for n in reversed(range(len(kernel.domain))):
        width = _width(kernel.domain[n], _lanes(kernel, kernel.domain[n], target))
        if width > 1:
            yield n, width
    yield len(kernel.domain) - 1, 1


def _lanes(kernel: Loops, axis: Axis, target: Target) -> int:
    """Lanes of a register: of 4 bytes, or of one if all that depends on the axis is a byte and no tail needs a mask."""
    facts = Facts(kernel.slots)
    lanes = target.vector_bytes
    whole = isinstance(axis.extent, int) and axis.extent % lanes == 0
    if (whole or target.level == "x86-64-v4") and all(_is_of_bytes(facts, s, axis) for s in kernel.stores):
        return lanes
    return lanes // 4


def _is_of_bytes(facts: Facts, store: Store, axis: Axis) -> bool:
    """Is all that varies along the axis a byte, and are the elements in memory neighbours?"""
    if not _are_neighbours(facts, facts.address(store.slot, store.index), axis):
        return False
    left, seen = [store.value], set[Expr]()
    while left:
        e = left.pop()
        if e in seen or axis not in facts.free(e):
            continue
        seen.add(e)
        if e.dtype.size_bytes != 1 or e.dtype is DType.BOOL:
            return False
        if e.op != "load":
            left += e.args
        elif not _are_neighbours(facts, facts.address(e.attr, e.args), axis):
            return False
    return True


def _are_neighbours(facts: Facts, address: Address, axis: Axis) -> bool:
    """Does the address move by one element along the axis, or by none?"""
    is_linear = not any(axis in facts.free(atom) for atom, _ in address.atoms)
    return is_linear and address.form.coefficients.get(axis, 0) in (0, 1)


def _width(axis: Axis, lanes: int) -> int:
    """Full lanes, or the power of two that just holds a short axis."""
    if isinstance(axis.extent, int):
        while lanes > 1 and lanes >= 2 * axis.extent:
            lanes //= 2
    return lanes


def _tiles(kernel: Loops, vector: int) -> list[tuple[int, int]]:
    """(axis, rows): several rows at once help reductions inside vectors, and stores that lie between each other."""
    if vector < 0:
        return [(-1, 1)]
    axis = kernel.domain[vector]
    if (beside := interleaved_axis(kernel, axis)) is not None:
        assert isinstance(beside.extent, int)
        return [(kernel.domain.index(beside), beside.extent), (-1, 1)]
    inner = [e for s in kernel.stores for e in walk(s.value) if e.op == "reduce" and axis in free_axes(e)]
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
    """Cut the vector axis if there are too few units without it to balance threads, or to keep windows in L1."""
    if vector < 0:
        return 0
    axis = kernel.domain[vector]
    extent = usual_size(axis.extent, sizes)
    if extent < 4 * width or has_row_reductions(kernel, axis):
        return 0
    windowed = _window_block(kernel, vector, width, sizes) if tile >= 0 else 0
    if windowed:
        return windowed
    units = 1
    for n, a in enumerate(kernel.domain):
        if n != vector:
            units *= -(-usual_size(a.extent, sizes) // (rows if n == tile else 1))
    if not (1 if tile < 0 else 0) < units < 16:  # 0: an axis is empty; 1 without a tile: the vector axis is shared out
        return 0
    pieces = min(-(-16 // units), extent // (2 * width))
    return max(width, -(-extent // pieces // width) * width)


def _window_block(kernel: Loops, vector: int, width: int, sizes: Mapping[str, int]) -> int:
    """Rows that overlapping windows read again should still be in L1. For images larger than L2 that does not pay.

    measured, one AVX-512 core, 3x3 over [14,14,576]: 42 us whole, 22 us in blocks; 5x5 over [28,28,192]: 133 and 73 us
    """
    axis, best = kernel.domain[vector], 0
    for each in _walks(kernel, axis, sizes):
        if each.window_bytes > _L1_BYTES and each.image_bytes <= _L2_BYTES:
            fitting = usual_size(axis.extent, sizes) * _L1_BYTES // each.window_bytes
            best = max(best, 2 * width, fitting // width * width)
    return best


def images_of(kernel: Loops, vector: Axis) -> int:
    """The outermost axes that windows do not overlap along. One image's blocks come before the next image."""
    walks = _walks(kernel, vector, {})
    return min((kernel.domain.index(w.row) for w in walks), default=0)


@dataclass(frozen=True)
class _Walk:
    """A tensor that windows are read from: the axis of their rows, and the bytes of a window and of an image."""

    row: Axis
    window_bytes: int
    image_bytes: int


def _walks(kernel: Loops, vector: Axis, sizes: Mapping[str, int]) -> list[_Walk]:
    """Of each load in a reduction that overlaps another one along an axis beside the vector's."""
    facts, found = Facts(kernel.slots), []
    for reduction in (e for s in kernel.stores for e in walk(s.value) if e.op == "reduce"):
        outermost = reduction.attr[1][0]
        for node in walk(reduction):
            if node.op != "load" or vector not in free_axes(node):
                continue
            steps = {a: usual_size(n, sizes) for a, n in facts.address(node.attr, node.args).form.coefficients.items()}
            within = steps.get(outermost, 0)
            # images of a batch lie farther apart than rows, and pixels of a row nearer
            rows = [a for a in kernel.domain if a != vector and 0 < within <= steps.get(a, 0) and not steps[a] % within]
            row = min(rows, key=lambda a: steps[a], default=None)
            if row is None:
                continue
            slot, images = kernel.slots[node.attr], [a.extent for a in kernel.domain if steps.get(a, 0) > steps[row]]
            total = usual_size(product(slot.shape), sizes) * slot.dtype.size_bytes
            image = total // max(1, usual_size(product(images), sizes))
            window = image // max(1, usual_size(row.extent, sizes)) * usual_size(outermost.extent, sizes)
            found.append(_Walk(row, window, image))
    return found


def has_row_reductions(kernel: Loops, vector: Axis) -> bool:
    """Is there a reduction that does not depend on the vector axis?"""
    return any(e.op == "reduce" and vector not in free_axes(e) for s in kernel.stores for e in walk(s.value))
