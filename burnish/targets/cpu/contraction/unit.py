"""The geometry of the tiles form: units of row tiles x column tiles, and the steps in which the depth is multiplied.

    row tile     up to 16 rows along one run of pixels, all tiles equally high: the last one overlaps the one before.
                 If the schedule folds: along axis 1 exactly the innermost run (one row of a small image), along axis 0
                 flat rows, which run on over the ends of that run as A lies (tile_rows.py)
    column tile  16 columns of a panel
    step         the k of one product, at most 64 bytes of a row of A. A step does not cross the end of the innermost
                 reduce run; if the steps do not divide it, the rest of the last one is zeros (in B and in a copy of A).
                 A step longer than that run means that A is gathered: all runs of a row side by side in scratch memory

The step is part of the answer: bf16 products are summed step by step (register_tile/matrix.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from burnish.dims import product
from burnish.dtypes import DType
from burnish.kernels.contraction_runs import Run, Shape
from burnish.kernels.task import Contraction
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.register_tile.matrix import REGISTERS, ROW_BYTES, ROWS, TILE_BYTES

_BYTES = (DType.U8, DType.I8)
_LEVEL1_BYTES = 40 * 1024
COPIED_AT_MOST = 4096  # k of a panel that is copied: it stays in the second cache level
_MOST_PIECES = 64  # their copies are written out
_STORED, _BEGUN = 4, 120  # cycles of a vector of results (loaded, finished, stored), and of a unit's begin and end
_ROW = 2  # and of a row of codes, whose vectors are finished soon
_WORD_BYTES = 4  # a lane of a product: two bf16 or four bytes along k


@dataclass(frozen=True, slots=True)
class Unit:
    """rows, columns: row tiles and column tiles; height: the most rows of a row tile; inner: the innermost run's k.

    pieces: runs that are gathered into one (then `inner` is the whole depth, and `runs` is 1); 1: A is read in place
    """

    rows: int
    columns: int
    height: int
    step: int
    item: int
    inner: int
    runs: int
    pieces: int = 1

    @property
    def steps_of_run(self) -> int:
        return -(-self.inner // self.step)

    @property
    def steps(self) -> int:
        """Products of each pair of tiles."""
        return self.runs * self.steps_of_run

    @property
    def tail(self) -> int:
        """The k of the last step of a run in place, if it is shorter than the others; else 0."""
        return self.inner % self.step if self.pieces == 1 else 0

    @property
    def row_bytes(self) -> int:
        """Bytes from one gathered row to the next."""
        return -(-self.steps * self.step * self.item // ROW_BYTES) * ROW_BYTES

    @property
    def step_bytes(self) -> int:
        """Bytes of B that one step reads."""
        return self.columns * ROW_BYTES * (self.step * self.item // _WORD_BYTES)

    @property
    def sums_bytes(self) -> int:
        return self.rows * self.columns * TILE_BYTES

    @property
    def copies_bytes(self) -> int:
        """Memory for the tails of A's rows, or for gathered rows."""
        if self.pieces > 1:
            return self.rows * ROWS * self.row_bytes
        return self.rows * TILE_BYTES if self.tail else 0

    @property
    def scratch_bytes(self) -> int:
        """The configuration, the sums of this unit and of the one before, and copies of A."""
        return ROW_BYTES + 2 * self.sums_bytes + self.copies_bytes


def unit_of(kernel: Contraction, shape: Shape, pixels: int, columns: int, step: int, by_runs: bool) -> Unit:
    """A unit of so many column tiles, and k in a step. pixels: its rows at most, or its innermost runs if `by_runs`."""
    item = kernel.slots[0].dtype.size_bytes
    inner, runs = shape.reduce[-1].extent, product(r.extent for r in shape.reduce[:-1])
    assert isinstance(inner, int) and isinstance(runs, int), "a packed operand has static reduce axes"
    depth = (inner, runs, 1) if step - inner < _WORD_BYTES // item else (inner * runs, 1, runs)
    if by_runs:
        height = shape.pixels[-1].extent
        assert isinstance(height, int), "a run that is folded has a known extent"
        return Unit(pixels, columns, height, step, item, *depth)
    rows = -(-pixels // ROWS)
    return Unit(rows, columns, -(-pixels // rows), step, item, *depth)


def scheduled_unit(kernel: Contraction, shape: Shape, options: ContractionOptions) -> Unit:
    """The unit of a schedule in the tiles form."""
    by_runs = options.fold and options.axis == 1
    return unit_of(kernel, shape, options.rows, options.vectors, options.unroll, by_runs)


def can_multiply_tiles(kernel: Contraction, shape: Shape) -> bool:
    """Is there a product of tiles for these operands, and are A's k contiguous in memory?"""
    a, b = kernel.slots[0].dtype, kernel.slots[1].dtype
    is_float = a is b is DType.BF16 and shape.accumulator is DType.F32
    is_bytes = a in _BYTES and b in _BYTES and shape.accumulator is DType.I32
    if not (is_float or is_bytes) or not shape.reduce or shape.reduce[-1].a_stride != 1:
        return False
    if not kernel.packed and (not is_bytes or not isinstance(shape.depth, int) or shape.depth > COPIED_AT_MOST):
        return False
    extents = (shape.depth, *(p.extent for p in shape.pixels))
    return isinstance(shape.depth, int) and not any(isinstance(e, int) and e < 1 for e in extents)


def fits_tiles(kernel: Contraction, shape: Shape, options: ContractionOptions) -> bool:
    """Can a kernel that `can_multiply_tiles` be written with these options?"""
    unit = scheduled_unit(kernel, shape, options)
    step_bytes = unit.step * unit.item
    return (
        options.lanes == ROWS
        and unit.height <= ROWS
        and not options.prefetch
        and unit.rows * unit.columns + min(unit.rows, unit.columns) < REGISTERS
        and 0 < step_bytes <= ROW_BYTES
        and step_bytes % _WORD_BYTES == 0
        and unit.pieces <= (_MOST_PIECES if kernel.packed else 1)
    )


def step_of(kernel: Contraction, shape: Shape) -> int:
    """The k of a step. Runs are gathered if they are short, or end within a step and then need copies anyway."""
    item, inner, depth = kernel.slots[0].dtype.size_bytes, shape.reduce[-1].extent, shape.depth
    assert isinstance(inner, int) and isinstance(depth, int)
    own, gathered = _equal_steps(inner, item), _equal_steps(depth, item)
    pays = kernel.packed and (inner % own or inner * item * 2 <= ROW_BYTES)
    is_legal = gathered - inner >= _WORD_BYTES // item and depth // inner <= _MOST_PIECES
    return gathered if pays and is_legal else own


def _equal_steps(inner: int, item: int) -> int:
    """As few steps as possible, all equal if up to twice as many allow that."""
    most, group = ROW_BYTES // item, _WORD_BYTES // item
    fewest = -(-inner // most)
    for count in range(fewest, 2 * fewest + 1):
        if inner % (count * group) == 0:
            return inner // count
    return -(-inner // (fewest * group)) * group


def rows_along(run: Run, row_tiles: int, is_alone: bool) -> int:
    """The rows of a unit along a run: row tiles of equal height, as high as possible, and none of them in vain.

    is_alone: there is no run outside it
    """
    if not isinstance(run.extent, int):
        return ROWS * row_tiles
    tiles = -(-run.extent // ROWS)
    if is_alone:
        tiles = -(-tiles // row_tiles) * row_tiles
    return row_tiles * -(-run.extent // tiles)


def unit_cycles(unit: Unit, columns: int) -> float:
    """Cycles of one unit. A product takes 16 cycles, 9 for up to 7 rows; a line 1.3 from the second cache level.

    A panel of B may stay in the first level, A does not: units of other rows come between.
    source: measured on Sapphire Rapids, with AMX, one thread; 128x768x768 takes 111 us in 2 x 2 tiles, 144 us in 4 x 1
    """
    products = unit.rows * unit.columns * ROWS * max(0.58, 0.58 + (unit.height - 7) * 0.047)
    streams = unit.steps * unit.step_bytes > _LEVEL1_BYTES
    lines = 1.3 * unit.rows * unit.height + (1.3 if streams else 0.55) * unit.step_bytes / ROW_BYTES
    step = max(products, lines)
    pieces = unit.pieces if unit.pieces > 1 else unit.runs if unit.tail else 0
    copies = pieces * unit.rows * (4 * unit.height + 15) if unit.tail else 1.5 * pieces * unit.rows * unit.height
    row = min(unit.columns, -(-columns // ROWS)) * _STORED + (_ROW if unit.item == 1 else 0)
    stored = unit.rows * unit.height * row
    return unit.steps * step + copies + _BEGUN + max(0.0, stored - unit.steps * step / 2)
