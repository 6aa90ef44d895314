"""Adds the parts of a split sum. Each program writes its part to the workspace and notes that in the tile's counter.

last    the last program to arrive adds all parts, always in the same order, and does the epilogue
shared  every program waits for the others and does its share of the rows, so many processors read the parts at once

No program may wait for ever: programs of other launches might hold the places of those it waits for. So a program that
has polled POLLS times gives up and notes that in the counter; the last program to arrive then does its rows too. The
sums are the same in every case. The counter has arrivals in its low 16 bits, and above them a bit for each program that
gave up. A second counter holds the number of programs that have left; the last one to leave resets both.
"""

from __future__ import annotations

from collections.abc import Callable

from burnish.dtypes import DType
from burnish.targets.cuda.contraction.places import Place, Slice
from burnish.targets.cuda.contraction.tiling import Tiling
from burnish.targets.cuda.text import KernelText, Name, Variable

POLLS = 1024  # 0.7 us each
MOST_SHARING = 8

Epilogue = Callable[[Name, Slice | None], None]  # of these sums; of all rows, or of some


def write_parts(text: KernelText, tiling: Tiling, place: Place, part: Name, sums: Name, epilogue: Epilogue) -> None:
    """After the sum of a part."""
    tile, dtype = tiling.tile, tiling.shape.accumulator
    size = tile.m * tile.n
    partial = text.workspace("partial", dtype, tiling.tiles * (tile.split * size * dtype.size_bytes))
    counters = text.workspace("counters", DType.I32, tiling.tiles * 8, zeroed=True)
    columns = f"tl.arange(0, {tile.n})[None, :]"
    inner = text.let("inner", f"tl.arange(0, {tile.m})[:, None] * {tile.n} + {columns}")
    parts = text.let("parts", f"{partial} + {place.number}.to(tl.int64) * {tile.split * size}")
    counter = text.let("counter", f"{counters} + {place.number} * 2")
    text.line(f"tl.store({parts} + {part} * {size} + {inner}, {sums})")
    text.line("tl.debug_barrier()")
    seen = text.variable("seen", f'tl.atomic_add({counter}, 1, sem="acq_rel") + 1')
    if tile.shared:
        todo = _write_shares(text, tile.split, part, counter, seen)
        with text.loop(text.name("turn"), f"range(0, {tile.split})") as turn:
            rows = Slice(turn, tile.m // tile.split)
            with text.block(f"if (({todo} >> {turn}) & 1) != 0"):
                first = f"({turn} * {rows.rows} + tl.arange(0, {rows.rows}))[:, None]"
                inner = text.let("inner", f"{first} * {tile.n} + {columns}")
                epilogue(_write_sum(text, tiling, parts, inner), rows)
        _write_leave(text, tile.split, counter)
    else:
        with text.block(f"if {seen} == {tile.split}"):
            text.line(f"tl.store({counter}, 0)")
            epilogue(_write_sum(text, tiling, parts, inner), None)


def _write_shares(text: KernelText, split: int, part: Name, counter: Name, seen: Variable) -> Variable:
    """The shares that this program does: a bit for each."""
    todo = text.variable("todo", f"1 << {part}")
    with text.block(f"if ({seen} & 65535) == {split}"):
        text.assign(todo, f"{todo} | ({seen} >> 16)")
    with text.block("else"):
        polls = text.variable("polls", "0")
        with text.block(f"while (({seen} & 65535) < {split}) & ({polls} < {POLLS})"):
            text.assign(seen, f'tl.atomic_add({counter}, 0, sem="acquire")')
            text.add(polls, "1")
        with text.block(f"if ({seen} & 65535) < {split}"):
            text.assign(seen, f'tl.atomic_add({counter}, 65536 << {part}, sem="acq_rel")')
        with text.block(f"if ({seen} & 65535) < {split}"):
            text.assign(todo, "0")
    text.line("tl.debug_barrier()")
    return todo


def _write_leave(text: KernelText, split: int, counter: Name) -> None:
    """The last program to leave resets the counters."""
    left = text.let("left", f'tl.atomic_add({counter} + 1, 1, sem="acq_rel")')
    with text.block(f"if {left} == {split - 1}"):
        text.line(f"tl.store({counter}, 0)")
        text.line(f"tl.store({counter} + 1, 0)")


def _write_sum(text: KernelText, tiling: Tiling, parts: Name, inner: Name) -> Name:
    """The sum of all parts, in a fixed order."""
    size = tiling.tile.m * tiling.tile.n
    sums = text.variable("sums", f'tl.load({parts} + {inner}, cache_modifier=".cg")')
    with text.loop(text.name("other"), f"tl.static_range(1, {tiling.tile.split})") as other:
        text.add(sums, f'tl.load({parts} + {other} * {size} + {inner}, cache_modifier=".cg")')
    return sums
