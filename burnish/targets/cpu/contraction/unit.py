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

from dataclasses import dataclass, replace

from burnish.dims import known, product
from burnish.dtypes import DType
from burnish.kernels.contraction_runs import Run, Shape
from burnish.kernels.task import Contraction
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.register_tile.matrix import REGISTERS, ROW_BYTES, ROWS, TILE_BYTES
from burnish.targets.cpu.register_tile.parts import PARTS, TERMS

_BYTES = (DType.U8, DType.I8)
HELD_AT_MOST = 32  # units whose rows are copied at once: a bit each says whether they are
_HELD_BYTES, _FEWEST_STEPS = 1280 * 1024, 8  # of those copies, and steps of a slab
_LEVEL1_BYTES = 40 * 1024
COPIED_AT_MOST = 4096  # k of a panel that is copied: it stays in the second cache level
_MOST_PIECES = 64  # their copies are written out
_STORED, _BEGUN = 4, 120  # cycles of a vector of results (loaded, finished, stored), and of a unit's begin and end
_SPLIT, _FETCHED, _LOADED_PARTS = 40, 40, 3  # cycles of 32 numbers of a row that are split, more if they are far
_ROW = 2  # and of a row of codes, whose vectors are finished soon
_WORD_BYTES = 4  # a lane of a product: two bf16 or four bytes along k


@dataclass(frozen=True, slots=True)
class Unit:
    """rows, columns: row tiles and column tiles; height: the most rows of a row tile; inner: the innermost run's k.

    pieces: runs that are gathered into one (then `inner` is the whole depth, and `runs` is 1); 1: A is read in place
    parts:  3 where f32 is multiplied as three bf16 parts, each of `item` bytes; then A's rows are always copied
    held:   then, units whose rows are copied before the panels pass over them; slabs: and into how many slabs of steps
            the depth is cut for that, so that the copies stay in the second cache level; panels: those of B
    """

    rows: int
    columns: int
    height: int
    step: int
    item: int
    inner: int
    runs: int
    pieces: int = 1
    parts: int = 1
    held: int = 1
    slabs: int = 1
    panels: int = 1

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
        return self.inner % self.step if self.pieces == self.parts == 1 else 0

    @property
    def row_bytes(self) -> int:
        """Bytes from one gathered row to the next."""
        return -(-self.steps * self.step * self.item // ROW_BYTES) * ROW_BYTES

    @property
    def step_bytes(self) -> int:
        """Bytes of B that one step reads."""
        return self.parts * self.columns * ROW_BYTES * (self.step * self.item // _WORD_BYTES)

    @property
    def slab_steps(self) -> int:
        """The steps that follow each other before the next unit begins."""
        return self.steps // self.slabs

    @property
    def sums_bytes(self) -> int:
        return self.rows * self.columns * TILE_BYTES

    @property
    def sums_kept(self) -> int:
        """Units whose sums lie in memory at once: two in turn, or all that wait for the next slab."""
        return 2 if self.slabs == 1 else self.panels * self.held

    @property
    def copies_bytes(self) -> int:
        """Memory for the tails of A's rows, or for gathered rows."""
        if self.parts > 1:
            return self.held * self.rows * self.split_bytes
        if self.pieces > 1:
            return self.rows * ROWS * self.row_bytes
        return self.rows * TILE_BYTES if self.tail else 0

    @property
    def split_bytes(self) -> int:
        """Bytes of the parts of a row tile in a slab: [step][16 rows][part][64 bytes], in the order of writing."""
        return self.slab_steps * self.parts * TILE_BYTES

    @property
    def copies_at(self) -> int:
        """Where copies of A begin in scratch memory: after the configuration and the sums."""
        return ROW_BYTES + self.sums_kept * self.sums_bytes

    @property
    def scratch_bytes(self) -> int:
        """The configuration, sums of units that are not stored yet, and copies of A."""
        return self.copies_at + self.copies_bytes


def unit_of(kernel: Contraction, shape: Shape, pixels: int, columns: int, step: int, by_runs: bool) -> Unit:
    """A unit of so many column tiles, and k in a step. pixels: its rows at most, or its innermost runs if `by_runs`."""
    item = item_of(kernel)
    inner, runs = shape.reduce[-1].extent, product(r.extent for r in shape.reduce[:-1])
    assert isinstance(inner, int) and isinstance(runs, int), "a packed operand has static reduce axes"
    in_place = step - inner < _WORD_BYTES // item or kernel.slots[0].dtype is DType.F32
    depth = (inner, runs, 1) if in_place else (inner * runs, 1, runs)
    if by_runs:
        height = shape.pixels[-1].extent
        assert isinstance(height, int), "a run that is folded has a known extent"
        return Unit(pixels, columns, height, step, item, *depth)
    rows = -(-pixels // ROWS)
    return Unit(rows, columns, -(-pixels // rows), step, item, *depth)


def scheduled_unit(kernel: Contraction, shape: Shape, options: ContractionOptions) -> Unit:
    """The unit of a schedule in the tiles form."""
    by_runs = options.fold and options.axis == 1
    unit = unit_of(kernel, shape, options.rows, options.vectors, options.unroll, by_runs)
    return in_slabs(unit, known(kernel.n.extent), options.block) if options.form == "parts" else unit


def in_slabs(unit: Unit, columns: int, held: int) -> Unit:
    """The unit of f32 numbers in parts, where `held` units are copied at once: in as few slabs as fit the cache."""
    unit = replace(unit, parts=len(PARTS), held=held, panels=-(-columns // (unit.columns * ROWS)))
    if unit.panels * held == 1:
        return unit
    cuts = (n for n in range(1, unit.steps // _FEWEST_STEPS + 1) if unit.steps % n == 0)
    choices = [replace(unit, slabs=n) for n in cuts] or [unit]
    return next((u for u in choices if u.copies_bytes <= _HELD_BYTES), choices[-1])


def item_of(kernel: Contraction) -> int:
    """Bytes of what tiles multiply: of an element of A, or of a part of it."""
    dtype = kernel.slots[0].dtype
    return DType.BF16.size_bytes if dtype is DType.F32 else dtype.size_bytes


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


def can_multiply_parts(kernel: Contraction, shape: Shape) -> bool:
    """Is it a product of f32 with constants (also in 16 bits), and are A's k contiguous in memory?"""
    a, b = (s.dtype for s in kernel.slots[:2])
    if a is not DType.F32 or b not in (DType.F32, DType.F16, DType.BF16) or shape.accumulator is not DType.F32:
        return False
    if not kernel.packed or not shape.reduce or shape.reduce[-1].a_stride != 1:
        return False
    extents = (shape.depth, *(p.extent for p in shape.pixels))
    return isinstance(shape.depth, int) and not any(isinstance(e, int) and e < 1 for e in extents)


def fits_parts(kernel: Contraction, shape: Shape, options: ContractionOptions) -> bool:
    """Can a kernel that `can_multiply_parts` be written with these options? All tiles of a part are loaded at once."""
    if not 0 < options.block <= HELD_AT_MOST or options.unroll % 2 or options.unroll > ROW_BYTES // 2:
        return False
    unit = scheduled_unit(kernel, shape, options)
    return (
        options.lanes == ROWS
        and unit.height <= ROWS
        and not options.prefetch
        and (unit.rows + 1) * (unit.columns + 1) <= REGISTERS + 1
        and unit.step > 0
        and unit.pieces == 1
    )


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
    item, inner, depth = item_of(kernel), shape.reduce[-1].extent, shape.depth
    assert isinstance(inner, int) and isinstance(depth, int)
    own, gathered = _equal_steps(inner, item), _equal_steps(depth, item)
    pays = kernel.packed and kernel.slots[0].dtype is not DType.F32 and (inner % own or inner * item * 2 <= ROW_BYTES)
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


def parts_cycles(unit: Unit, columns: int, is_near: bool = True) -> float:
    """Cycles of one unit of f32 numbers in parts; its rows are split once for all panels.

    is_near: does all of A lie in the second cache level?
    measured on Sapphire Rapids, one thread and two, 25 products
    """
    panels = -(-columns // (unit.columns * ROWS))
    products = len(TERMS) * unit.rows * unit.columns * ROWS * max(0.58, 0.58 + (unit.height - 7) * 0.047)
    lines = 1.3 * (_LOADED_PARTS * unit.rows * unit.height + unit.step_bytes / ROW_BYTES)
    split = (_SPLIT if is_near else _SPLIT + _FETCHED) * unit.rows * unit.height * unit.steps / panels
    stored = unit.rows * unit.height * min(unit.columns, -(-columns // ROWS)) * _STORED
    return 1.12 * unit.steps * max(products, lines) + split + _BEGUN + max(0.0, stored - unit.steps * products / 2)


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
