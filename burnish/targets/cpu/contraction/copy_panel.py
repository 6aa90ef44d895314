"""Copies a panel of a computed B into scratch memory, as if it were packed, once for all row tiles that read it.

copied          [K][width], columns that lie apart
quads, tiles    words of four neighbours along k, in the layout of pack.py; quads also where a run tells the depth.
                Where k lies side by side in memory, words are loaded column by column and transposed in registers;
                otherwise each byte of a word is a vector of columns. A column that does not exist is a copy of the
                last one, or zero: its sums are never stored
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llvmlite import ir

from burnish.dims import DimExpr, floordiv, known, product
from burnish.dtypes import DType
from burnish.kernels.contraction_runs import Run, Shape
from burnish.kernels.task import Contraction
from burnish.targets.cpu.builder import I8, I32, KernelBuilder, vector_type
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.contraction.pack import lead_steps, packed_run
from burnish.targets.cpu.contraction.unit import COPIED_AT_MOST, scheduled_unit
from burnish.targets.cpu.expressions.storage import fill, storage_type
from burnish.targets.cpu.register_tile.load import load_lanes, scaled, widen
from burnish.targets.cpu.register_tile.quads import QUAD, add_quads, sums_bytes

WORD_FORMS = ("quads", "tiles")
Masks = Sequence[ir.Value | None]
_AT_ONCE = 4  # words of a column that one load of 16 bytes gives
_HALF = 0x80808080  # 128 in each byte


@dataclass(frozen=True)
class Words:
    """How words lie in a copied panel: [run of k][step][vector][word of the step][lane].

    of_step: words in a step; steps: of the innermost run; lead: bytes before the first word
    overlaps: a run that is no multiple of four ends in a word of its last four k, zero where the word before has them
    """

    vectors: int
    lanes: int
    of_step: int
    steps: int
    runs: int
    lead: int
    overlaps: bool

    @property
    def size_bytes(self) -> int:
        return self.lead + self.runs * self.steps * self.of_step * self.vectors * self.lanes * QUAD


def copies_panel(kernel: Contraction, form: str) -> bool:
    """Does a form read a computed B from scratch memory?"""
    return form == "copied" or (form in WORD_FORMS and not kernel.packed)


def panel_words(kernel: Contraction, shape: Shape, options: ContractionOptions) -> Words | None:
    """How words lie in a copied panel; None: it is not made of words."""
    if options.form not in WORD_FORMS:
        return None
    if options.form == "tiles":
        unit = scheduled_unit(kernel, shape, options)
        return Words(unit.columns, options.lanes, unit.step // QUAD, unit.steps_of_run, unit.runs, 0, False)
    deepest = kernel.most_depth if isinstance(shape.depth, DimExpr) else None
    inner = known(shape.reduce[-1].extent) if deepest is None else deepest
    runs = known(product(r.extent for r in shape.reduce[:-1]))
    lead = lead_steps(kernel, options.form) * options.width
    return Words(options.vectors, options.lanes, 1, packed_run(inner, "quads") // QUAD, runs, lead, True)


def has_open_words(kernel: Contraction, shape: Shape) -> bool:
    """Can a computed B of bytes be copied in words, though only a run tells the depth?"""
    a, b = (s.dtype for s in kernel.slots[:2])
    is_bytes = a in (DType.U8, DType.I8) and b is DType.I8 and not kernel.packed
    is_line = len(shape.reduce) == 1 and shape.reduce[0].a_stride == 1
    return is_bytes and is_line and kernel.most_depth is not None and kernel.most_depth <= COPIED_AT_MOST


def copy_bytes_of(kernel: Contraction, shape: Shape, options: ContractionOptions) -> int:
    """Scratch memory of a panel."""
    words = panel_words(kernel, shape, options)
    if words is not None:
        return words.size_bytes
    return known(shape.depth) * options.width * kernel.slots[1].dtype.size_bytes


def copy_elements(
    k: KernelBuilder, shape: Shape, dtype: DType, lanes: int, source: ir.Value, masks: Masks, width: int
) -> ir.Value:
    """The panel as the copied form reads it, at the begin of scratch memory."""
    kind, row_bytes = storage_type(dtype), width * dtype.size_bytes

    def copy(runs: Sequence[Run], source: ir.Value, row: ir.Value) -> None:
        if runs:
            with k.loop(0, runs[0].extent) as steps:
                at = k.address(source, scaled(k, steps.index, runs[0].b_stride), kind)
                copy(runs[1:], at, k.ir.add(k.ir.mul(row, k.dim(runs[0].extent)), steps.index))
            return
        into = k.address(k.scratch, k.ir.mul(row, k.i64(row_bytes)), I8)
        for v, mask in enumerate(masks):
            at = k.address(source, k.dim(shape.n_stride * (v * lanes)), kind)
            found = load_lanes(k, at, dtype, lanes, shape.n_stride, mask)
            k.ir.store(found, k.address(into, v * lanes, kind), align=dtype.size_bytes)

    copy(shape.reduce, source, k.i64(0))
    return k.scratch


@dataclass(frozen=True)
class _Column:
    """A vector of columns: its number, where its first one begins, which exist; places: where each begins.

    places: only where k lies side by side; then a column that does not exist is the last one
    """

    vector: int
    first: ir.Value
    mask: ir.Value | None
    places: Sequence[ir.Value]


class WordCopier:
    """Copies panels of bytes to `into`."""

    def __init__(self, k: KernelBuilder, shape: Shape, words: Words, into: ir.Value) -> None:
        self.k, self.shape, self.words, self.into = k, shape, words, into
        self.kind = vector_type(I32, words.lanes)
        self.inner = shape.reduce[-1].extent
        self.k_stride = shape.reduce[-1].b_stride

    def copy(self, source: ir.Value, masks: Masks, left: ir.Value) -> None:
        """One panel. source: its first column; left: the columns from there to the last that exists, at least 1."""
        k, words, stride = self.k, self.words, self.shape.n_stride
        for v, mask in enumerate(masks):
            first = k.address(source, k.dim(stride * (v * words.lanes)), I8)
            places: list[ir.Value] = []
            if self.k_stride == 1 and stride != 1:
                last = k.ir.sub(left, k.i64(1))
                numbers = (k.minimum(k.i64(v * words.lanes + c), last) for c in range(words.lanes))
                places = [k.address(source, scaled(k, n, stride), I8) for n in numbers]
            if words.lead:
                k.ir.store(ir.Constant(self.kind, None), self._start(v), align=4)
            self._runs(self.shape.reduce[:-1], k.i64(0), k.i64(0), _Column(v, first, mask, places))

    def _runs(self, outer: Sequence[Run], run: ir.Value, offset: ir.Value, column: _Column) -> None:
        """All runs of k, each a piece of the panel. run: the number of this one; offset: of its first k in B."""
        k = self.k
        if not outer:
            self._run(k.ir.mul(run, k.i64(self.words.steps * self.words.of_step)), offset, column)
            return
        with k.loop(0, outer[0].extent) as steps:
            number = k.ir.add(k.ir.mul(run, k.dim(outer[0].extent)), steps.index)
            self._runs(outer[1:], number, k.ir.add(offset, scaled(k, steps.index, outer[0].b_stride)), column)

    def _run(self, first: ir.Value, offset: ir.Value, column: _Column) -> None:
        """One run. first: the number of its first word in the panel."""
        k, words, inner = self.k, self.words, self.inner
        whole = k.dim(floordiv(inner, QUAD))
        single = k.i64(0)
        if column.places and words.lanes >= _AT_ONCE:
            single = k.dim(floordiv(inner, QUAD * _AT_ONCE) * _AT_ONCE)
            with k.loop(0, single, _AT_ONCE) as loop:
                at = k.ir.add(offset, k.ir.mul(loop.index, k.i64(QUAD)))
                for n, word in enumerate(self._transposed(at, column)):
                    self._store(k.ir.add(first, loop.index), n, column.vector, word)
        with k.loop(single, whole) as loop:
            at = k.ir.add(offset, scaled(k, k.ir.mul(loop.index, k.i64(QUAD)), self.k_stride))
            self._store(k.ir.add(first, loop.index), 0, column.vector, self._word(at, column, range(QUAD)))
        if not isinstance(inner, int):
            rest = k.ir.sub(k.dim(inner), k.ir.mul(whole, k.i64(QUAD)))
            with k.when(k.ir.icmp_signed(">", rest, k.i64(0))):
                word = self._last_of_open(offset, column, k.dim(inner), rest)
                self._store(k.ir.add(first, whole), 0, column.vector, word)
            return
        if inner % QUAD:
            self._store(first, inner // QUAD, column.vector, self._last(offset, column, inner))
        for n in range(-(-inner // QUAD), words.steps * words.of_step):
            self._store(first, n, column.vector, ir.Constant(self.kind, None))

    def _last_of_open(self, offset: ir.Value, column: _Column, inner: ir.Value, rest: ir.Value) -> ir.Value:
        """The last `rest` k: the last bytes of a word, or its first ones where there is no word before."""
        k, word = self.k, ir.Constant(self.kind, None)
        begin = k.ir.sub(inner, k.minimum(inner, k.i64(QUAD)))
        for n in range(QUAD):
            step = k.minimum(k.ir.add(begin, k.i64(n)), k.ir.sub(inner, k.i64(1)))
            place = k.address(column.first, k.ir.add(offset, scaled(k, step, self.k_stride)), I8)
            byte = load_lanes(k, place, DType.U8, self.words.lanes, self.shape.n_stride, column.mask)
            byte = widen(k, byte, DType.U8, DType.I32)
            word = k.ir.or_(word, k.ir.shl(byte, fill(byte, I32, 8 * n)))
        bits = k.ir.mul(k.ir.trunc(rest, I32), ir.Constant(I32, 8))
        low = k.ir.sub(k.ir.shl(ir.Constant(I32, 1), bits), ir.Constant(I32, 1))
        high = k.ir.shl(ir.Constant(I32, -1), k.ir.sub(ir.Constant(I32, 8 * QUAD), bits))
        kept = k.ir.select(k.ir.icmp_signed("<", inner, k.i64(QUAD)), low, high)
        return k.ir.and_(word, k.splat(kept, self.words.lanes))

    def _last(self, offset: ir.Value, column: _Column, inner: int) -> ir.Value:
        """A word of the last k of a known run, less than four of them. If words overlap, they are its last bytes,
        unless there is no word before."""
        k, rest = self.k, inner % QUAD
        ahead = QUAD - rest
        overlaps = self.words.overlaps and inner >= QUAD
        if not column.places or inner < QUAD:
            at = k.ir.add(offset, scaled(k, k.i64(inner - rest), self.k_stride))
            word = self._word(at, column, range(rest))
            return k.ir.shl(word, fill(word, I32, 8 * ahead)) if overlaps else word
        word = self._word(k.ir.add(offset, k.i64(inner - QUAD)), column, range(QUAD))
        low = k.ir.lshr(word, fill(word, I32, 8 * ahead))
        return k.ir.shl(low, fill(word, I32, 8 * ahead)) if overlaps else low

    def _word(self, at: ir.Value, column: _Column, steps: Sequence[int]) -> ir.Value:
        """The bytes of some neighbouring k of each column, the first one in the lowest bits."""
        k, lanes = self.k, self.words.lanes
        if column.places and len(steps) == QUAD:
            each = [k.load(k.address(place, at, I8), I32, 1) for place in column.places]
            return _gathered(k, each)
        word: ir.Value | None = None
        for step in steps:
            place = k.address(column.first, k.ir.add(at, k.dim(self.k_stride * step)), I8)
            byte = widen(
                k, load_lanes(k, place, DType.U8, lanes, self.shape.n_stride, column.mask), DType.U8, DType.I32
            )
            byte = k.ir.shl(byte, fill(byte, I32, 8 * step)) if step else byte
            word = byte if word is None else k.ir.or_(word, byte)
        assert word is not None
        return word

    def _transposed(self, at: ir.Value, column: _Column) -> list[ir.Value]:
        """Four words of each column: 16 bytes of each are loaded, and blocks of 4 x 4 words transposed."""
        k, four = self.k, ir.VectorType(I32, _AT_ONCE)
        parts = [k.load(k.address(place, at, I8), four, 1) for place in column.places]
        rows = [_joined(k, parts[n::_AT_ONCE]) for n in range(_AT_ONCE)]  # row n: of each block the column n
        blocks = range(0, self.words.lanes, _AT_ONCE)

        def pick(a: ir.Value, b: ir.Value, of_a: Sequence[int], of_b: Sequence[int]) -> ir.Value:
            mixed = [(n, m + self.words.lanes) for n, m in zip(of_a, of_b)]
            return _shuffled(k, a, b, [x + start for start in blocks for pair in mixed for x in pair])

        low, high = ([pick(rows[n], rows[n + 1], side, side) for n in (0, 2)] for side in ((0, 1), (2, 3)))
        words = []
        for a, b in (low, high):
            for first in (0, 2):
                order = [first, first + 1, first + self.words.lanes, first + 1 + self.words.lanes]
                words.append(_shuffled(k, a, b, [x + start for start in blocks for x in order]))
        return words

    def _store(self, first: ir.Value, more: int, vector: int, word: ir.Value) -> None:
        """Word `first + more` of the panel."""
        k, words = self.k, self.words
        number = k.ir.add(first, k.i64(more))
        step, rest = k.ir.udiv(number, k.i64(words.of_step)), k.ir.urem(number, k.i64(words.of_step))
        row = k.ir.add(k.ir.mul(step, k.i64(words.vectors * words.of_step)), rest)
        row = k.ir.add(row, k.i64(vector * words.of_step))
        place = k.address(k.address(self.into, words.lead, I8), k.ir.mul(row, k.i64(words.lanes)), I32)
        k.ir.store(word, place, align=4)
        if words.lead and sums_bytes("vnni" in k.target.extensions, DType.I8):
            start, half = self._start(vector), fill(word, I32, _HALF)
            more_than = add_quads(k, ir.Constant(self.kind, None), half, word)
            k.ir.store(k.ir.sub(k.load(start, self.kind, 4), more_than), start, align=4)

    def _start(self, vector: int) -> ir.Value:
        return self.k.address(self.into, vector * self.words.lanes * QUAD, I8)


def _gathered(k: KernelBuilder, each: Sequence[ir.Value]) -> ir.Value:
    """Scalars side by side."""
    if len(each) == 1:
        return each[0]
    found: ir.Value = ir.Constant(ir.VectorType(each[0].type, len(each)), ir.Undefined)
    for n, value in enumerate(each):
        found = k.ir.insert_element(found, value, ir.Constant(I32, n))
    return found


def _joined(k: KernelBuilder, parts: Sequence[ir.Value]) -> ir.Value:
    """Vectors end to end; their number is a power of two."""
    while len(parts) > 1:
        count = parts[0].type.count
        parts = [_shuffled(k, a, b, range(2 * count)) for a, b in zip(parts[::2], parts[1::2])]
    return parts[0]


def _shuffled(k: KernelBuilder, a: ir.Value, b: ir.Value, places: Sequence[int]) -> ir.Value:
    return k.ir.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(places)), list(places)))
