"""The parts of a split sum become one. Each program puts its part into the workspace and says so in the tile's counter.

last    the program that comes last adds all parts, always in their order, and does the epilogue
shared  every program waits for the others and does its share of the rows: the parts are read by many processors at once

Nobody may wait for ever: programs of other launches might hold the places of those it waits for. So a program that has
asked POLLS times gives up, which the counter notes, and the last one to come does its rows too. Whatever happens, the
sums are the same. The counter has arrivals in its low 16 bits, and above them a bit for each program that gave up.
Beside it stands how many have left: the last to leave sets both back.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from burnish.dtypes import DType
from burnish.targets.cuda.contraction.frame import Frame
from burnish.targets.cuda.source import Workspace

POLLS = 1024  # 0.7 us each
MOST_SHARING = 8


def write_parts(f: Frame, epilogue: Callable[[Frame], None]) -> None:
    """After the sum of a part."""
    tile, dtype = f.tile, f.shape.accumulator
    size = tile.m * tile.n
    f.parameters["partial"] = Workspace("partial", dtype, f.tiles * (tile.split * size * dtype.size_bytes))
    f.parameters["counters"] = Workspace("counters", DType.I32, f.tiles * 8, zeroed=True)
    f.line(f"inner = tl.arange(0, {tile.m})[:, None] * {tile.n} + tl.arange(0, {tile.n})[None, :]")
    f.line(f"parts = partial + place.to(tl.int64) * {tile.split * size}")
    f.line("counter = counters + place * 2")
    f.line(f"tl.store(parts + part * {size} + inner, sums)")
    f.line("tl.debug_barrier()")
    f.line('seen = tl.atomic_add(counter, 1, sem="acq_rel") + 1')
    if tile.shared:
        _write_shared(f, epilogue)
    else:
        f.line(f"if seen == {tile.split}:")
        f.indent += 1
        f.line("tl.store(counter, 0)")
        _write_sum(f, "inner")
        epilogue(f)
        f.indent -= 1


def _write_shared(f: Frame, epilogue: Callable[[Frame], None]) -> None:
    split, rows = f.tile.split, f.tile.m // f.tile.split
    f.line("todo = 1 << part")
    f.line(f"if (seen & 65535) == {split}:")
    f.line("    todo = todo | (seen >> 16)")
    f.line("else:")
    f.line("    polls = 0")
    f.line(f"    while ((seen & 65535) < {split}) & (polls < {POLLS}):")
    f.line('        seen = tl.atomic_add(counter, 0, sem="acquire")')
    f.line("        polls += 1")
    f.line(f"    if (seen & 65535) < {split}:")
    f.line('        seen = tl.atomic_add(counter, 65536 << part, sem="acq_rel")')
    f.line(f"    if (seen & 65535) < {split}:")
    f.line("        todo = 0")
    f.line("tl.debug_barrier()")
    f.line(f"for turn in range(0, {split}):")
    f.indent += 1
    f.line("if ((todo >> turn) & 1) != 0:")
    f.indent += 1
    start = len(f.lines.text)
    f.slice = ("turn", rows)
    f.line(f"inner = (turn * {rows} + tl.arange(0, {rows}))[:, None] * {f.tile.n} + tl.arange(0, {f.tile.n})[None, :]")
    _write_sum(f, "inner")
    epilogue(f)
    f.slice = None
    _rename(f.lines.text, start)
    f.indent -= 2
    f.line('left = tl.atomic_add(counter + 1, 1, sem="acq_rel")')
    f.line(f"if left == {split - 1}:")
    f.line("    tl.store(counter, 0)")
    f.line("    tl.store(counter + 1, 0)")


def _rename(lines: list[str], start: int) -> None:
    """What the lines from `start` on assign gets a name of its own: in a branch no name may change its shape."""
    before, after = (
        {name for line in part for name in re.findall(r"^ *(\w+) = ", line)} for part in (lines[:start], lines[start:])
    )
    shared = sorted(before & after)
    pattern = re.compile(rf"\b({'|'.join(shared)})\b")
    lines[start:] = [pattern.sub(r"\1_here", line) for line in lines[start:]]


def _write_sum(f: Frame, inner: str) -> None:
    """sums: all parts, in their order."""
    size = f.tile.m * f.tile.n
    f.line(f'sums = tl.load(parts + {inner}, cache_modifier=".cg")')
    f.line(f"for other in tl.static_range(1, {f.tile.split}):")
    f.line(f'    sums += tl.load(parts + other * {size} + {inner}, cache_modifier=".cg")')
