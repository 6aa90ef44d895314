"""What a tile asks of memory before it is needed.

rows to come   of the panel being read: a few k ahead, into the first cache level (worth 10 % once it outgrows that)
next panel     a share in each of the first tiles, into the second level: constants come from memory at an even pace
               while all tiles of a panel compute, instead of at once when its first one begins (5 to 10 % of a network)
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
    """A tile's share of the next panel: from `start` on, as far as it has come in this one, shifted right.

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
    """What tile number `tile` of a panel asks for: 1/spread of the next, which follows it in memory.

    Tiles from `spread` on ask for what they are reading anyway: that costs less than a branch around each request.
    """
    asks = k.ir.icmp_signed("<", tile, k.i64(spread))
    offset = k.ir.add(k.i64(panel_bytes), k.ir.mul(tile, k.i64(panel_bytes // spread)))
    start = k.address(panel, k.ir.select(asks, offset, k.i64(0)), I8)
    shift = k.ir.select(asks, k.i64(spread.bit_length() - 1), k.i64(0))
    return Ahead(panel, start, shift, max(1, step_bytes // spread // LINE_BYTES))


def request_next(k: KernelBuilder, ahead: Ahead, b: ir.Value) -> None:
    """The lines of the next panel that go with the step that reads this one at b."""
    done = k.ir.sub(k.ir.ptrtoint(b, I64), k.ir.ptrtoint(ahead.panel, I64))
    first = k.address(ahead.start, k.ir.lshr(done, ahead.shift), I8)
    _request(k, first, range(0, ahead.lines * LINE_BYTES, LINE_BYTES), _SECOND_LEVEL)


def request_row(k: KernelBuilder, row: ir.Value, row_bytes: int) -> None:
    """A row of this panel."""
    _request(k, row, range(0, row_bytes, LINE_BYTES), _FIRST_LEVEL)


def _request(k: KernelBuilder, base: ir.Value, offsets: Iterable[int], level: int) -> None:
    for_reading, data = ir.Constant(I32, 0), ir.Constant(I32, 1)
    for offset in offsets:
        at = k.address(base, k.i64(offset), I8)
        k.call("llvm.prefetch.p0", ir.VoidType(), [at, for_reading, ir.Constant(I32, level), data])
