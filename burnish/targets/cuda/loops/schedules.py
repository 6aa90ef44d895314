"""Schedules of the loops template, ranked by the cost model. What their options mean: options.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product as product_of

from burnish.dims import product
from burnish.kernels.task import Loops
from burnish.kernels.usual_size import usual_size
from burnish.target import Target
from burnish.targets.cuda.loops.arrange import has_windows, reductions, repeatable, row_reductions
from burnish.targets.cuda.loops.axes import next_power
from burnish.targets.cuda.loops.cost import Cost
from burnish.targets.cuda.loops.options import LoopsOptions
from burnish.targets.cuda.loops.variety import varied

WHOLE_ROW = 16384  # elements that one program keeps in registers
SMALLEST = 128  # elements of a tile, if there are as many
LONG = 48  # elements side by side that fill a block well
MOST_WARPS = 16
KEPT = 48  # the best of the cost model


def ranked(kernel: Loops, target: Target, sizes: Mapping[str, int]) -> list[LoopsOptions]:
    """The best schedules of an arranged kernel, cheapest first; the same list on every machine."""
    cost = Cost(kernel, target, sizes)
    found: dict[LoopsOptions, float] = {}
    for columns, across, down in _layouts(kernel):
        repeats = _repeats(kernel) if columns == 1 and across == -1 else [1]
        for rows, block in _tiles(kernel, columns, across, down, sizes):
            for warps, repeat in product_of(_warps(rows * block), repeats):
                options = LoopsOptions(columns, across, rows, block, down, repeat, warps)
                found[options] = cost.microseconds(options)
    best = sorted(found.items(), key=lambda item: (item[1], str(item[0].schedule)))
    return varied([s for s, _ in best[:KEPT]], {("columns", "across", "down"): 4, ("rows", "block"): 2, ("warps",): 3})


def is_possible(kernel: Loops, options: LoopsOptions) -> bool:
    """Can an arranged kernel be written with these options, for all sizes?"""
    layout = options.columns, options.across, options.down
    repeats = _repeats(kernel) if layout == (1, -1, False) else [1]
    are_powers = all(n >= 1 and n & (n - 1) == 0 for n in (options.rows, options.block, options.warps))
    fits = are_powers and options.rows * options.block <= WHOLE_ROW and options.warps <= MOST_WARPS
    return fits and options.repeat in repeats and layout in _layouts(kernel)


def _layouts(kernel: Loops) -> Iterator[tuple[int, int, bool]]:
    """(columns, across, down)"""
    count = len(kernel.domain)
    reduced = reductions(kernel)
    has_rows = bool(count and row_reductions(kernel, kernel.domain[-1:]))
    for columns in range(min(count, 3) + 1):
        if columns == 0 and count and not reduced:
            continue
        inner = kernel.domain[count - columns :]
        if columns > 1 and _is_long(kernel, columns - 1):
            continue  # one axis fewer is enough for a block
        if has_rows and not row_reductions(kernel, inner):
            continue  # a row's reduction would be computed again for each element of the row
        serial = [e for e in reduced if e not in row_reductions(kernel, inner)] if columns else []
        yield columns, -1, False
        if serial:
            yield columns, -2, True
        if columns == 1 and not reduced:
            yield from ((1, n, False) for n in reversed(range(count - 1)))


def _is_long(kernel: Loops, columns: int) -> bool:
    extent = product(a.extent for a in kernel.domain[len(kernel.domain) - columns :])
    return not isinstance(extent, int) or extent >= LONG


def _tiles(kernel: Loops, columns: int, across: int, down: bool, sizes: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    """(rows, block)"""
    cut = len(kernel.domain) - columns
    width = usual_size(product(a.extent for a in kernel.domain[cut:]), sizes) if columns else 1
    outer = kernel.domain[:cut] if across == -1 else (kernel.domain[across],) if across >= 0 else ()
    height = usual_size(product(a.extent for a in outer), sizes)
    reduced = reductions(kernel)
    if columns == 0 or row_reductions(kernel, kernel.domain[cut:]):
        longest = max((usual_size(product(a.extent for a in e.attr[1]), sizes) for e in reduced), default=1)
        width = max(width, longest)
    if down:
        height = max(usual_size(product(a.extent for a in e.attr[1]), sizes) for e in reduced)
    most_rows, most_columns = next_power(max(1, height)), next_power(max(1, width))
    last_rows, last_block = min(most_rows, 256), min(most_columns, WHOLE_ROW)
    for block in _powers(min(8, most_columns), last_block):
        for rows in _powers(1, last_rows):
            is_last = rows == last_rows and block == last_block
            if is_last or SMALLEST <= rows * block <= WHOLE_ROW:
                yield rows, min(block, max(1, WHOLE_ROW // rows))


def _repeats(kernel: Loops) -> list[int]:
    """The numbers of neighbouring windows that a tile may take together, if they overlap."""
    axis = repeatable(kernel)
    if axis is None or not isinstance(axis.extent, int) or not has_windows(kernel, axis):
        return [1]
    return [n for n in (1, 2, 4, 7) if axis.extent % n == 0]


def _powers(low: int, high: int) -> list[int]:
    return [1 << n for n in range(low.bit_length() - 1, high.bit_length())]


def _warps(elements: int) -> list[int]:
    """Between 1 and 64 elements a thread."""
    found = []
    for warps in (1, 2, 4, 8, MOST_WARPS):
        each = elements // (32 * warps)
        if each <= 64 and (each >= 1 or warps == 1):
            found.append(warps)
    return found or [MOST_WARPS]
