"""Writes attention kernels: units over threads, blocks of keys, tiles of queries. The method is in template.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext

from llvmlite import ir

from burnish.dims import floordiv, product
from burnish.targets.cpu.attention.frame import AttentionFrame, Block, Head
from burnish.targets.cpu.attention.pack import KeyBlock, pack_keys
from burnish.targets.cpu.attention.scores import score_dots, score_panels
from burnish.targets.cpu.attention.softmax import softmax
from burnish.targets.cpu.attention.tile_products import pack_for_tiles, power_tiles, score_tiles, tile_multiplier
from burnish.targets.cpu.attention.values import finish, times_values
from burnish.targets.cpu.expressions.storage import storage_type
from burnish.targets.cpu.register_tile.load import scaled
from burnish.targets.cpu.register_tile.rows import RowCase, RowTiles

FEW_ROWS = 4  # tiles up to this size read the keys in memory, without panels
TileBody = Callable[[RowCase, ir.Value], None]


class AttentionWriter(AttentionFrame):
    """Call `write` only; it calls the other methods."""

    def write(self) -> ir.Function:
        """The whole kernel."""
        k, serial = self.k, self.options.is_serial
        if serial:
            k.only_thread_zero()
        self.rows = RowTiles(k, self.queries, self.rows_each)
        self.code = tile_multiplier(self) if self.uses_tiles else None
        if self.code is not None:
            self.code.begin(self.config)
        count = k.index(self.rows.count)
        units = k.ir.udiv(k.ir.add(count, k.i64(self.tiles - 1)), k.i64(self.tiles))
        total = k.ir.mul(units, k.dim(product((self.batch, self.heads))))
        lo, hi = (k.i64(0), total) if serial else k.share(total)
        with k.loop(lo, hi) as unit:
            head = self._head(k.ir.udiv(unit.index, units))
            first = k.ir.mul(k.ir.urem(unit.index, units), k.i64(self.tiles))
            last = k.minimum(k.ir.add(first, k.i64(self.tiles)), count)
            self._unit(head, first, last)
        if self.code is not None:
            self.code.end()
        return k.finish()

    def _head(self, number: ir.Value) -> Head:
        k = self.k
        b, h = k.ir.udiv(number, k.dim(self.heads)), k.ir.urem(number, k.dim(self.heads))
        kv = k.ir.udiv(h, k.dim(floordiv(self.heads, self.kv_heads)))
        places = []
        for n, (slot, which) in enumerate(((self.q_slot, h), (self.k_slot, kv), (self.v_slot, kv))):
            offset = k.ir.add(scaled(k, b, slot.strides[0]), scaled(k, which, slot.strides[1]))
            places.append(k.address(k.slots[n], offset, storage_type(slot.dtype)))
        return Head(b, h, *places)

    def _unit(self, head: Head, first: ir.Value, last: ir.Value) -> None:
        k = self.k
        if self.is_single:
            self._keys(head, Block(k.i64(0), k.dim(self.keys)), first, last)
        else:
            self._reset(k.ir.mul(k.ir.sub(last, first), k.i64(self.rows_each)))
            with k.loop(0, self._keys_seen(last), self.block) as loop:
                left = k.ir.sub(k.dim(self.keys), loop.index)
                self._keys(head, Block(loop.index, k.minimum(left, k.i64(self.block))), first, last)
        self._each_tile(first, last, lambda case, number: finish(self, case, number, head))

    def _keys_seen(self, last: ir.Value) -> ir.Value:
        """The number of keys that are visible to the unit's last row."""
        k, keys = self.k, self.k.dim(self.keys)
        if not self.kernel.causal:
            return keys
        cases = self.rows.cases(k.ir.sub(last, k.i64(1)))
        end = k.ir.add(cases[-1].start, k.i64(cases[-1].size))
        for case in cases[:-1]:
            assert case.condition is not None
            end = k.ir.select(case.condition, k.ir.add(case.start, k.i64(case.size)), end)
        return k.minimum(keys, k.ir.add(end, k.dim(self.keys - self.queries)))

    def _each_tile(self, first: ir.Value, last: ir.Value, body: TileBody) -> None:
        """Call body(case, number in the unit) for every tile of a unit."""
        k = self.k
        with k.loop(first, last) as loop:
            for case in self.rows.cases(loop.index):
                with k.when(case.condition) if case.condition is not None else nullcontext():
                    body(case, k.ir.sub(loop.index, first))

    def _reset(self, rows: ir.Value) -> None:
        """The state before any key is seen: sums are 0, maxima are -inf."""
        k = self.k
        with k.loop(0, k.ir.mul(rows, k.i64(self.row)), self.lanes) as loop:
            self.put(ir.Constant(self.vector, None), self.sums, loop.index)
        with k.loop(0, rows) as loop:
            self.put(ir.Constant(self.element, -math.inf), self.maxima, loop.index)
            self.put(ir.Constant(self.element, 0.0), self.totals, loop.index)

    def _keys(self, head: Head, block: Block, first: ir.Value, last: ir.Value) -> None:
        """One block of keys for all tiles of the unit."""
        k = self.k
        packs: ir.Value | bool = True
        if self.can_dot:
            packs = self.rows.at_least(FEW_ROWS + 1)
        if packs is not False:
            with k.when(packs) if packs is not True else nullcontext():
                self._pack(head, block)

        def tile(case: RowCase, number: ir.Value) -> None:
            skips = self.kernel.causal and not self.is_single
            with k.when(self._is_seen(case, block)) if skips else nullcontext():
                one_tile(case, number)

        def one_tile(case: RowCase, number: ir.Value) -> None:
            if self.code is not None and self.is_tiled(case):
                score_tiles(self, self.code, case, head, block)
                softmax(self, case, number, head, block)
                power_tiles(self, self.code, number, block)
                return
            if case.size <= FEW_ROWS and self.can_dot:
                score_dots(self, case, head, block)
            else:
                score_panels(self, case, head, block)
            softmax(self, case, number, head, block)
            times_values(self, case, number, head, block)

        self._each_tile(first, last, tile)

    def _pack(self, head: Head, block: Block) -> None:
        """A block of keys (and of values, for tiles) as the products of tiles of many queries read them."""
        k = self.k
        if self.uses_tiles:
            pack_for_tiles(self, head, block)
            return
        end = k.ir.sub(k.dim(self.keys), k.i64(1))
        key_step, depth_step = self.k_slot.strides[2:]
        keys = KeyBlock(head.k, self.k_slot.dtype, key_step, depth_step, self.depth, block.first, block.count, end)
        pack_keys(k, keys, self.panels, self.width, self.lanes, self.dtype)

    def _is_seen(self, case: RowCase, block: Block) -> ir.Value:
        """Is the block's first key visible to the last row of the tile?"""
        k = self.k
        end = k.ir.add(k.ir.add(case.start, k.i64(case.size)), k.dim(self.keys - self.queries))
        return k.ir.icmp_signed("<", block.first, end)
