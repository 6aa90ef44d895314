"""The prefetches of a tile: data that it fetches into the caches before the data is needed.

rows to come   rows of the current panel, a few k ahead, into the first cache level (saves 10 % if the panel exceeds it)
next panel     the first tiles fetch a share each into the second level. So constants come from memory evenly while all
               tiles of a panel compute, and not all at once when the first tile begins (5 to 10 % of a network)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from llvmlite import ir

from burnish.targets.cpu.builder import I8, I32, I64, KernelBuilder

LINE_BYTES = 64
_FIRST_LEVEL, _SECOND_LEVEL = 3, 2  # the intrinsic's locality


@dataclass(frozen=True)
class Ahead:
    """A tile's share of the next panel: at `start`, plus its progress in the current panel, shifted right.

    panel:   address of the panel being read
    lines:   cache lines for each unrolled step over k
    """

    panel: ir.Value
    start: ir.Value
    shift: ir.Value
    lines: int


def share_of_next(
    k: KernelBuilder, panel: ir.Value, panel_bytes: int, tile: ir.Value, spread: int, step_bytes: int
) -> Ahead:
    """The prefetch of tile number `tile` of a panel: 1/spread of the next panel, which follows this one in memory.

    Tiles from `spread` on prefetch data that they read anyway: that costs less than a branch around each prefetch.
    """
    asks = k.ir.icmp_signed("<", tile, k.i64(spread))
    offset = k.ir.add(k.i64(panel_bytes), k.ir.mul(tile, k.i64(panel_bytes // spread)))
    start = k.address(panel, k.ir.select(asks, offset, k.i64(0)), I8)
    shift = k.ir.select(asks, k.i64(spread.bit_length() - 1), k.i64(0))
    return Ahead(panel, start, shift, max(1, step_bytes // spread // LINE_BYTES))


def request_next(k: KernelBuilder, ahead: Ahead, b: ir.Value) -> None:
    """Prefetch the lines of the next panel that belong to the step that reads this panel at b."""
    done = k.ir.sub(k.ir.ptrtoint(b, I64), k.ir.ptrtoint(ahead.panel, I64))
    first = k.address(ahead.start, k.ir.lshr(done, ahead.shift), I8)
    _request(k, first, range(0, ahead.lines * LINE_BYTES, LINE_BYTES), _SECOND_LEVEL)


def request_row(k: KernelBuilder, row: ir.Value, row_bytes: int) -> None:
    """Prefetch a row of this panel."""
    _request(k, row, range(0, row_bytes, LINE_BYTES), _FIRST_LEVEL)


def _request(k: KernelBuilder, base: ir.Value, offsets: Iterable[int], level: int) -> None:
    for_reading, data = ir.Constant(I32, 0), ir.Constant(I32, 1)
    for offset in offsets:
        at = k.address(base, k.i64(offset), I8)
        k.call("llvm.prefetch.p0", ir.VoidType(), [at, for_reading, ir.Constant(I32, level), data])
