"""The codes form: products whose constant B is kept in few bits, with a scale for each block (register_tile/codes.py).

layout   see pack_codes.py
rows     up to `few_rows` in a tile: codes are widened in registers, and nothing but codes is read from memory. More:
         each thread widens a panel into its scratch memory, then all row tiles read it as tiles of f32
symbolic rows: one kernel has tiles of several sizes, those of few rows among them
measured 4096 x 4096 of 4 bits in blocks of 32, one core (Zen 4), GFLOP/s for 1, 2, 4, 8, 16 and 128 rows
         x86-64-v4, in registers, 1 vector    68, 97, 103, 113, 110, 111  (2 vectors: 58, 75, 88); widened 95 to 108
         x86-64-v3, in registers              37,  -,  64,   -,  64,  66; widened, 6 rows of 2 vectors: 84 and 107
"""

from __future__ import annotations

from collections.abc import Iterator

from burnish.dims import known
from burnish.kernels.blocks import Blocks
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Contraction
from burnish.ops.few_bits import WORD_BITS
from burnish.targets.cpu.contraction.cost import CostModel, registers, row_sizes
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.contraction.pack_codes import is_paired
from burnish.targets.cpu.contraction.tile_rows import register_lanes, rows_of
from burnish.targets.cpu.register_tile.codes import Codes

FORM = "codes"
_MOST_VECTORS = 4
_PREFETCH_BYTES = 2048
_CYCLES_PER_BYTE = 0.14  # from memory, on one core (26 GB/s were measured at 3.7 GHz)
# cycles, without and with 16 lanes: to widen a vector in registers, two at a time; to multiply one that is in memory
_WIDEN, _MULTIPLY, _WRITE = (3.5, 2.0), (0.55, 0.65), 2.5
_PAIR, _HALF_MULTIPLY = 2.5, 1.3  # as `_WIDEN`, of two k at once; to multiply by data that are made f32 first
_FEW_ROWS = {16: 11, 8: 4, 4: 4}  # by lanes: the most whose sums, two of each, stay in registers


def few_rows(lanes: int) -> int:
    """The most rows of a tile that widens codes in registers."""
    return _FEW_ROWS.get(lanes, 4)


def vectors_at_once(rows: int, vectors: int, lanes: int) -> int:
    """The vectors of a panel that a tile of few rows takes at once: as many as registers hold."""
    free = 29 if lanes == 16 else 14  # without a table, an element of A and a shifted word
    return max(v for v in range(1, vectors + 1) if v == 1 or (vectors % v == 0 and v * (2 * rows + 2) <= free))


def tile_sizes(rows: int, lanes: int) -> tuple[int, ...]:
    """The tile sizes for a number of rows that is not known, largest first."""
    return (rows, *(s for s in (8, 4, 2, 1) if s < rows and s <= few_rows(lanes)))


def codes_of(kernel: Contraction, options: ContractionOptions) -> Codes:
    """How the kernel's B lies."""
    blocks = _blocks(kernel)
    depth = known(kernel.reduce[0].extent)
    zero = None if blocks.zero is None else kernel.slots[blocks.zero].dtype
    scale = kernel.slots[blocks.scale].dtype
    sizes = options.width, options.lanes
    paired = is_paired(kernel)
    return Codes(blocks.bits, blocks.size, depth, *sizes, scale, zero, options.unroll, options.prefetch, paired)


def scratch_bytes(kernel: Contraction, options: ContractionOptions) -> int:
    """A widened panel, if there may be many rows."""
    return 0 if options.rows <= few_rows(options.lanes) else known(kernel.reduce[0].extent) * options.width * 4


def schedules(model: CostModel, axes: int) -> list[Schedule]:
    """Legal schedules, the one expected to be fastest first. axes: the number of runs that rows may follow."""
    found = {o: None for axis in range(axes) for o in _choices(model, axis)}
    return [o.schedule for o in sorted(found, key=lambda o: _cycles(model, o))]


def legal(options: ContractionOptions, most_lanes: int) -> bool:
    """Can a kernel of codes be written so?"""
    lanes = options.lanes
    return not options.fold and not options.spread and lanes <= most_lanes and lanes & (lanes - 1) == 0


def _choices(model: CostModel, axis: int) -> Iterator[ContractionOptions]:
    shape = model.shape
    extent = rows_of(shape, axis, False).tiled.extent
    n = known(shape.n.extent)
    lanes = min(register_lanes(shape, model.target), 1 << max(0, n - 1).bit_length())
    few = few_rows(lanes)
    for vectors in range(1, 1 + min(_MOST_VECTORS, -(-n // lanes))):
        most = max(1, (registers(model.target) - vectors - 1) // vectors)
        known_extent = extent if isinstance(extent, int) else most
        # a widened panel of one vector is read once for too few products
        for rows in dict.fromkeys((min(few, known_extent), min(most if vectors > 1 else few, known_extent))):
            prefetch = max(1, _PREFETCH_BYTES // (WORD_BITS // 8 * vectors * lanes))
            yield ContractionOptions(FORM, max(1, rows), vectors, lanes, 1, axis, False, 0, prefetch, 0, False)


def _cycles(model: CostModel, options: ContractionOptions) -> float:
    """Cycles of two cores: widening and multiplying, or reading codes from memory."""
    lanes, vectors, few = options.lanes, options.vectors, few_rows(options.lanes)
    tiled = rows_of(model.shape, options.axis, False).tiled
    total = model.expect(tiled.extent)
    sizes = row_sizes(total, options.rows)
    if not isinstance(tiled.extent, int):
        size = next(s for s in tile_sizes(options.rows, lanes) if s <= total)
        sizes = [(size, -(-total // size))]
    step, widen = 0.0, _WIDEN[lanes == 16] * (1.0 if vectors == 1 else 1.5)
    by_pairs = is_paired(model.kernel) and lanes == 16
    for size, count in sizes:  # cycles of one k of a vector, for all rows
        if by_pairs:
            step += count * (size * _HALF_MULTIPLY if size > few else (size + _PAIR) / 4)
            continue
        step += count * (size * _MULTIPLY[lanes == 16] if size > few else (size + widen) / 2)
    step += _WRITE if sizes[0][0] > few else 0.0
    panels = -(-model.columns // (vectors * lanes))
    busy = model.depth * vectors * step * (model.pixels // total) * (panels + panels % 2)
    read = model.depth * model.columns * _blocks(model.kernel).bits / 8 * _CYCLES_PER_BYTE
    return max(busy, read) + 0.1 * busy


def _blocks(kernel: Contraction) -> Blocks:
    assert kernel.blocks is not None
    return kernel.blocks
