"""Writes a large product by Strassen's seven products of halves instead of eight, an eighth fewer multiply-adds.

    rows are paired 2t, 2t+1; columns and k are cut in half: A11 A12 / A21 A22 times B11 B12 / B21 B22
    (A11 + A12) B22           to C12, -C11           (A11 + A22)(B11 + B22)    to C11, C22
    A11 (B12 - B22)           to C12, C22            (A12 - A22)(B21 + B22)    to C11
    (A21 + A22) B11           to C21, -C22           (A21 - A11)(B11 + B12)    to C22
    A22 (B21 - B11)           to C21, C11

for group of row tiles:  left sides of all k
    for pair of panels:  for block of k:  right sides;  for row tile:  seven products

Both sides' sums lie in the thread's scratch memory: those of A for a group of row tiles, those of B for one pair of
panels and one block of k, so that they stay in the second cache level. A product stays in registers and is added to
one or two quarters of the tile in scratch memory. The kernel's stores of a quarter follow as soon as it is complete: so
they are spread over the products, and memory takes them while the next product is summed. Threads take equal
runs of (row tile, panel pair), by row tiles, so each makes sums of its own rows once.

Error: a few times that of the direct sum, relative to the largest values of the two paired rows (rows that lie side by
side: of one image or one sentence, if it has an even number of them). An infinity in one of them makes both NaN.
source: Strassen 1969; sums on the way of copies that are made anyway: Huang, Smith, Henry, van de Geijn 2016.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

from llvmlite import ir

from burnish.dims import known
from burnish.dtypes import DType
from burnish.kernels.task import Contraction
from burnish.ops.language.expr import walk
from burnish.targets.cpu.builder import I8, KernelBuilder, KernelContext, vector_type
from burnish.targets.cpu.contraction.halves import ITEM_BYTES, PRODUCTS, halves_of
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.contraction.write import Bound, TileWriter, bind
from burnish.targets.cpu.expressions.storage import storage_type
from burnish.targets.cpu.expressions.values import values_at
from burnish.targets.cpu.register_tile.accumulate import Level, Tile, accumulate
from burnish.targets.cpu.register_tile.load import scaled
from burnish.targets.cpu.register_tile.prefetch import LINE_BYTES, Ahead, request_line
from burnish.targets.cpu.register_tile.rows import RowCase, RowTiles

RowAction = Callable[[Bound, Sequence[ir.Value], ir.Value], None]
Side = tuple[tuple[int, ...], int]
# each product's left and right side: a part (11, 12, 21 or 22) of A or B, and another one with its sign
_LEFT: tuple[Side, ...] = (((0, 1), 1), ((0,), 1), ((2, 3), 1), ((3,), 1), ((0, 3), 1), ((1, 3), -1), ((2, 0), -1))
_RIGHT: tuple[Side, ...] = (((3,), 1), ((1, 3), -1), ((0,), 1), ((2, 0), -1), ((0, 3), 1), ((2, 3), 1), ((0, 1), 1))
_FIRST = (1, 1, 2, 2, 0, 0, 3)  # the part of C that takes a product
_SECOND = (0, 3, 3, 0, 3, None, None)  # another one
_NEGATIVE = (True, False, True, False, False, False, False)  # does that one take it negated?
_COMPLETE = (None, 1, None, 2, None, 0, 3)  # the part that is complete then
_COMPLETE_NEXT = (1, None, 2, None, 0, 3, None)  # the part that will be complete after another product
_SUMS_OF_B = tuple(side for side in _RIGHT if len(side[0]) > 1)
_SPREAD = 8  # a product prefetches an eighth of what it reads


class StrassenWriter(TileWriter):
    """One kernel that is being written. Call `write` only."""

    def __init__(self, context: KernelContext, kernel: Contraction, options: ContractionOptions, name: str) -> None:
        super().__init__(context, kernel, options, name)
        self.halves = halves_of(self.shape, options)
        self.kind = vector_type(storage_type(DType.F32), self.lanes)

    def write(self) -> ir.Function:
        """The whole kernel."""
        k, h = self.k, self.halves
        if self.options.is_serial:
            k.only_thread_zero()
        self.tiles = RowTiles(k, h.pairs, self.options.rows)
        count = known(self.tiles.count)
        total = k.i64(count * h.panels)
        lo, hi = (k.i64(0), total) if self.options.is_serial else k.share(total)
        self.left = k.scratch
        self.right = k.address(k.scratch, h.blocks * PRODUCTS * h.side_bytes, I8)
        self.sums = k.address(self.right, len(_SUMS_OF_B) * h.right_bytes, I8)
        bound: Bound = {a: k.i64(0) for a in self.shape.ones}
        first, last = k.ir.udiv(lo, k.i64(h.panels)), k.ir.udiv(k.ir.add(hi, k.i64(h.panels - 1)), k.i64(h.panels))
        with k.loop(first, k.ir.select(k.ir.icmp_signed("<", lo, hi), last, first), h.tiles) as groups:
            end = k.minimum(k.ir.add(groups.index, k.i64(h.tiles)), last)
            base = self._start(groups.index)
            self._left_sides(base, self._start(end))
            with k.loop(0, h.panels) as panels:
                mine = [self._first_of(limit, panels.index) for limit in (lo, hi)]
                begin = k.ir.select(k.ir.icmp_signed(">", mine[0], groups.index), mine[0], groups.index)
                self._panel_pair(panels.index, groups.index, base, begin, k.minimum(mine[1], end), bound)
        return self._finish()

    def _start(self, tile: ir.Value) -> ir.Value:
        """The first pair of rows of a row tile."""
        k = self.k
        return k.ir.add(k.ir.mul(tile, k.i64(self.tiles.small)), k.minimum(tile, k.i64(self.tiles.big_tiles)))

    def _first_of(self, limit: ir.Value, panel: ir.Value) -> ir.Value:
        """The first row tile whose unit with this panel pair is not below a number of units."""
        k, panels = self.k, self.halves.panels
        return k.ir.udiv(k.ir.sub(k.ir.add(limit, k.i64(panels - 1)), panel), k.i64(panels))

    def _left_sides(self, first: ir.Value, last: ir.Value) -> None:
        """The seven left sides of some pairs of rows."""
        k, h, stride = self.k, self.halves, self.shape.pixels[0].a_stride
        with k.loop(first, last) as loop:
            upper = k.ir.mul(loop.index, k.i64(2))
            lower = k.minimum(k.ir.add(upper, k.i64(1)), k.i64(h.rows - 1))
            rows = [k.address(k.slots[0], scaled(k, r, stride), self._float) for r in (upper, lower)]
            row = k.ir.mul(k.ir.sub(loop.index, first), k.i64(h.pitch * ITEM_BYTES))
            with k.loop(0, h.blocks) as block:
                at = k.ir.mul(block.index, k.i64(h.block))
                into = k.ir.add(row, k.ir.mul(block.index, k.i64(PRODUCTS * h.side_bytes)))
                with k.loop(0, h.block, self.lanes) as step:
                    near = k.ir.add(at, step.index)
                    far = k.ir.add(near, k.i64(h.depth // 2))
                    parts = [self._load(k.address(r, n, self._float)) for r in rows for n in (near, far)]
                    place = k.address(k.address(self.left, into, I8), step.index, self._float)
                    self._store_sides(_LEFT, parts, place, h.side_bytes)

    def _right_sides(self, panel: ir.Value, block: ir.Value) -> None:
        """The right sides of a pair of panels and a block of k that are sums."""
        k, h = self.k, self.halves
        with k.loop(0, h.block * h.width, self.lanes) as step:
            sources = [k.address(p, step.index, self._float) for p in self._panel_parts(panel, block)]
            place = k.address(self.right, step.index, self._float)
            self._store_sides(_SUMS_OF_B, [self._load(s) for s in sources], place, h.right_bytes)

    def _right_side(self, panel: ir.Value, block: ir.Value, number: ir.Value) -> ir.Value:
        """Where the right side of a product begins: a sum in scratch memory, or a part of B as it is packed."""
        k, parts = self.k, self._panel_parts(panel, block)
        slots = [_SUMS_OF_B.index(side) if side in _SUMS_OF_B else 0 for side in _RIGHT]
        found = k.address(self.right, k.ir.mul(_choice(k, number, slots), k.i64(self.halves.right_bytes)), I8)
        for n, (which, _) in enumerate(_RIGHT):
            if len(which) == 1:
                found = k.ir.select(k.ir.icmp_signed("==", number, k.i64(n)), parts[which[0]], found)
        return found

    def _panel_parts(self, panel: ir.Value, block: ir.Value) -> list[ir.Value]:
        """Where B11, B12, B21 and B22 of a pair of panels and a block of k begin."""
        k, h = self.k, self.halves
        at = k.ir.mul(k.ir.add(k.ir.mul(panel, k.i64(h.depth)), k.ir.mul(block, k.i64(h.block))), k.i64(h.width))
        base = k.address(k.slots[1], at, self._float)
        far_panel, far_k = h.panels * h.depth * h.width, h.depth // 2 * h.width
        return [k.address(base, far, self._float) for far in (0, far_panel, far_k, far_panel + far_k)]

    def _store_sides(self, sides: Sequence[Side], parts: Sequence[ir.Value], place: ir.Value, step: int) -> None:
        k = self.k
        for n, (which, sign) in enumerate(sides):
            value = parts[which[0]]
            if len(which) > 1:
                value = (k.ir.fadd if sign > 0 else k.ir.fsub)(value, parts[which[1]])
            k.ir.store(value, k.address(place, n * step, I8), align=self.lanes * ITEM_BYTES)

    def _panel_pair(
        self, panel: ir.Value, group: ir.Value, base: ir.Value, first: ir.Value, last: ir.Value, bound: Bound
    ) -> None:
        """Row tiles [first, last) of one group times one pair of panels."""
        k, h = self.k, self.halves
        with k.when(k.ir.icmp_signed("<", first, last)):
            zero = ir.Constant(self.kind, None)
            with k.loop(0, h.tiles * 4 * h.quarter_bytes // ITEM_BYTES, self.lanes) as loop:
                k.ir.store(zero, k.address(self.sums, loop.index, self._float), align=self.lanes * ITEM_BYTES)
            with k.loop(0, h.blocks) as block:
                self._right_sides(panel, block.index)
                with k.loop(first, last) as tile:
                    for case in self.tiles.cases(tile.index):
                        with k.when(case.condition) if case.condition is not None else nullcontext():
                            number = k.ir.sub(tile.index, group)
                            self._products(case, panel, block.index, number, k.ir.sub(tile.index, first), base, bound)

    def _products(
        self,
        case: RowCase,
        panel: ir.Value,
        block: ir.Value,
        number: ir.Value,
        turn: ir.Value,
        base: ir.Value,
        bound: Bound,
    ) -> None:
        """The seven products of a row tile, added to its quarters. turn: how many tiles these sides had before."""
        k, h = self.k, self.halves
        row = k.ir.mul(k.ir.sub(case.start, base), k.i64(h.pitch * ITEM_BYTES))
        row = k.ir.add(row, k.ir.mul(block, k.i64(PRODUCTS * h.side_bytes)))
        left = k.address(self.left, row, I8)
        sums = k.address(self.sums, k.ir.mul(number, k.i64(4 * h.quarter_bytes)), I8)
        with k.loop(0, PRODUCTS) as loop:
            a = k.address(left, k.ir.mul(loop.index, k.i64(h.side_bytes)), I8)
            b = self._right_side(panel, block, loop.index)
            ahead = self._next(panel, block, k.ir.add(k.ir.mul(turn, k.i64(PRODUCTS)), loop.index), b)
            tile = Tile(
                offsets=tuple(r * h.pitch for r in range(case.size)),
                vectors=self.vectors,
                lanes=self.lanes,
                unroll=self.options.unroll,
                lane_step=1,
                levels=(Level(h.block, 1, h.width),),
                a_dtype=DType.F32,
                b_dtype=DType.F32,
                accumulator=DType.F32,
                prefetch=self.options.prefetch * h.width,
                ahead=(ahead, self._next_left(left, case, loop.index, b)),
            )
            products = accumulate(k, tile, a, b, (None,) * self.vectors)
            self._add(sums, _choice(k, loop.index, _FIRST), products, None)
            with k.when(_among(k, loop.index, [q is not None for q in _SECOND])):
                one, minus = (ir.Constant(self._float, f) for f in (1.0, -1.0))
                sign = k.ir.select(_among(k, loop.index, _NEGATIVE), minus, one)
                self._add(sums, _choice(k, loop.index, [q or 0 for q in _SECOND]), products, k.splat(sign, self.lanes))
            is_last = k.ir.icmp_signed("==", block, k.i64(h.blocks - 1))
            for parts, act in ((_COMPLETE, self._store_row_of), (_COMPLETE_NEXT, self._request_row_of)):
                with k.when(k.ir.and_(is_last, _among(k, loop.index, [q is not None for q in parts]))):
                    self._rows_of(case, panel, sums, _choice(k, loop.index, [q or 0 for q in parts]), bound, act)

    def _add(self, sums: ir.Value, quarter: ir.Value, products: Sequence[ir.Value], sign: ir.Value | None) -> None:
        """Add a product, times a sign, to a quarter of the tile."""
        k = self.k
        place = k.address(sums, k.ir.mul(quarter, k.i64(self.halves.quarter_bytes)), I8)
        for n, value in enumerate(products):
            at = k.address(place, n * self.lanes, self._float)
            old = self._load(at)
            new = k.ir.fadd(old, value) if sign is None else k.multiply_add(value, sign, old)
            k.ir.store(new, at, align=self.lanes * ITEM_BYTES)

    def _next(self, panel: ir.Value, block: ir.Value, number: ir.Value, b: ir.Value) -> Ahead:
        """Product `number` of these sides prefetches a part of what the next ones are made of."""
        k, h = self.k, self.halves
        more = k.ir.add(block, k.i64(1))
        is_last = k.ir.icmp_signed("==", more, k.i64(h.blocks))
        parts = self._panel_parts(
            k.ir.select(is_last, k.ir.add(panel, k.i64(1)), panel), k.ir.select(is_last, k.i64(0), more)
        )
        which = k.ir.udiv(number, k.i64(_SPREAD))
        source = parts[3]
        for n in (2, 1, 0):
            source = k.ir.select(k.ir.icmp_signed("==", which, k.i64(n)), parts[n], source)
        offset = k.ir.mul(k.ir.urem(number, k.i64(_SPREAD)), k.i64(h.right_bytes // _SPREAD))
        exists = k.ir.icmp_signed("<", k.ir.add(panel, k.i64(1)), k.i64(h.panels))
        asks = k.ir.and_(k.ir.icmp_signed("<", number, k.i64(4 * _SPREAD)), k.ir.or_(exists, k.ir.not_(is_last)))
        shift = k.ir.select(asks, k.i64(_SPREAD.bit_length() - 1), k.i64(0))
        lines = max(1, self.options.unroll * h.width * ITEM_BYTES // _SPREAD // LINE_BYTES)
        return Ahead(b, k.ir.select(asks, k.address(source, offset, I8), b), shift, lines)

    def _next_left(self, left: ir.Value, case: RowCase, number: ir.Value, b: ir.Value) -> Ahead:
        """A product prefetches the left side of the next one, or of the next row tile's first one: one run of bytes."""
        k, h = self.k, self.halves
        following = k.ir.mul(k.ir.add(number, k.i64(1)), k.i64(h.side_bytes))
        is_last = k.ir.icmp_signed("==", number, k.i64(PRODUCTS - 1))
        start = k.address(left, k.ir.select(is_last, k.i64(case.size * h.pitch * ITEM_BYTES), following), I8)
        shift = max(0, (h.width // case.size).bit_length() - 1)
        lines = max(1, (self.options.unroll * h.width * ITEM_BYTES >> shift) // LINE_BYTES)
        return Ahead(b, start, k.i64(shift), lines)

    def _rows_of(
        self, case: RowCase, panel: ir.Value, sums: ir.Value, quarter: ir.Value, bound: Bound, act: RowAction
    ) -> None:
        """Act on each row of a quarter of a row tile."""
        k, h = self.k, self.halves
        low, right = k.ir.udiv(quarter, k.i64(2)), k.ir.urem(quarter, k.i64(2))
        column = k.ir.add(k.ir.mul(panel, k.i64(h.width)), k.ir.mul(right, k.i64(h.columns // 2)))
        columns = [k.ir.add(column, k.i64(v * self.lanes)) for v in range(self.vectors)]
        with k.loop(0, case.size) as rows:
            row = k.ir.add(k.ir.mul(k.ir.add(case.start, rows.index), k.i64(2)), low)
            with k.when(k.ir.icmp_signed("<", row, k.i64(h.rows))) if h.rows % 2 else nullcontext():
                at = k.ir.add(k.ir.mul(quarter, k.i64(h.tile_rows)), rows.index)
                place = k.address(sums, k.ir.mul(at, k.i64(h.width * ITEM_BYTES)), I8)
                act({**bound, **bind(k, self.shape.pixels, row)}, columns, place)

    def _store_row_of(self, bound: Bound, columns: Sequence[ir.Value], sums: ir.Value) -> None:
        """The kernel's stores of a row."""
        values = [self._load(self.k.address(sums, v * self.lanes, self._float)) for v in range(self.vectors)]
        self._store_row(bound, columns, (None,) * self.vectors, values)

    def _request_row_of(self, bound: Bound, columns: Sequence[ir.Value], sums: ir.Value) -> None:
        """Prefetch what the stores of a row will read and write. Memory gives no line as fast as a row is stored."""
        k, kernel = self.k, self.kernel
        for column in columns:
            values = values_at(k, kernel.slots, {**bound, kernel.n: column})
            writes = [(s.slot, s.index, True) for s in kernel.stores]
            loads = dict.fromkeys(e for s in kernel.stores for e in walk(s.value) if e.op == "load")
            reads = [(e.attr, e.args, False) for e in loads]
            for slot, index, is_written in (*writes, *reads):
                address = values.facts.address(slot, index)
                if not address.atoms and set(self.shape.pixels[0].axes) & set(address.form.coefficients):
                    element = storage_type(kernel.slots[slot].dtype)
                    request_line(k, k.address(k.slots[slot], values.offset(address).value, element), is_written)

    @property
    def _float(self) -> ir.Type:
        return storage_type(DType.F32)

    def _load(self, place: ir.Value) -> ir.Value:
        return self.k.load(place, self.kind, ITEM_BYTES)


def _choice(k: KernelBuilder, number: ir.Value, values: Sequence[int]) -> ir.Value:
    """values[number] of numbers below 8."""
    packed = sum(v << 3 * n for n, v in enumerate(values))
    return k.ir.and_(k.ir.lshr(k.i64(packed), k.ir.mul(number, k.i64(3))), k.i64(7))


def _among(k: KernelBuilder, number: ir.Value, values: Sequence[bool]) -> ir.Value:
    """values[number]"""
    return k.ir.icmp_signed("!=", _choice(k, number, [int(v) for v in values]), k.i64(0))
