"""What all parts of an attention kernel share: its sizes, its scratch memory and its axes.

Names: a *tile* is a few query rows of one head, a *unit* is `tiles` of them, a *block* is `keys` keys.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from llvmlite import ir

from burnish.dims import Dim, known
from burnish.dtypes import DType
from burnish.kernels.task import AttentionTask
from burnish.ops.language.expr import Axis
from burnish.targets.cpu.attention.options import AttentionOptions
from burnish.targets.cpu.builder import I1, I8, KernelBuilder, KernelContext, vector_type
from burnish.targets.cpu.expressions.storage import register_type, storage_type
from burnish.targets.cpu.register_tile.load import scaled
from burnish.targets.cpu.register_tile.matrix import ROWS
from burnish.targets.cpu.register_tile.rows import RowCase

SPAN = 32  # keys, or columns, of a product of tiles: two column tiles; also the k of its steps


@dataclass(frozen=True)
class Layout:
    """The layout of a thread's scratch memory, in bytes."""

    keys: int
    scores: int
    sums: int
    statistics: int
    powers: int
    values: int
    config: int
    size_bytes: int


def accumulator(kernel: AttentionTask) -> DType:
    """The type of scores and sums."""
    return DType.F64 if kernel.slots[0].dtype is DType.F64 else DType.F32


def padded(size: int, lanes: int) -> int:
    """Rounded up to whole vectors."""
    return -(-size // lanes) * lanes


def uses_tiles(options: AttentionOptions) -> bool:
    """Are the products of a tile of many queries products of tiles?"""
    return options.rows >= SPAN


def row_of(kernel: AttentionTask, options: AttentionOptions) -> int:
    """Elements of a row of sums."""
    return padded(known(kernel.slots[2].shape[3]), SPAN if uses_tiles(options) else options.lanes)


def scratch_layout(kernel: AttentionTask, options: AttentionOptions) -> Layout:
    """The parts of the scratch memory; each begins at a 64-byte boundary."""
    rows, tiles, keys = options.rows, options.tiles, options.keys
    depth, row, item = known(kernel.slots[0].shape[3]), row_of(kernel, options), accumulator(kernel).size_bytes
    sizes = [item * n for n in (keys * depth, rows * keys, tiles * rows * row, 2 * tiles * rows)]
    sizes += [2 * rows * keys, 2 * keys * row, 64] if uses_tiles(options) else [0, 0, 0]
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + -(-size // 64) * 64)
    return Layout(*starts)


@dataclass(frozen=True)
class Head:
    """One unit's head: its axes' values, and where its keys and values begin."""

    batch: ir.Value
    head: ir.Value
    q: ir.Value
    k: ir.Value
    v: ir.Value


@dataclass(frozen=True)
class Block:
    """The keys j with first <= j < first + count."""

    first: ir.Value
    count: ir.Value


class AttentionFrame:
    """A kernel that is being written: its builder, and names for its parts."""

    def __init__(self, context: KernelContext, kernel: AttentionTask, options: AttentionOptions, name: str) -> None:
        self.kernel, self.options = kernel, options
        self.k = KernelBuilder(context, name, len(kernel.slots))
        self.q_slot, self.k_slot, self.v_slot = kernel.slots[:3]
        self.out = len(kernel.slots) - 1
        self.batch, self.heads, self.queries, depth = self.q_slot.shape
        self.keys, self.kv_heads = self.k_slot.shape[2], self.k_slot.shape[1]
        self.depth, self.value_size = known(depth), known(self.v_slot.shape[3])
        self.rows_each, self.tiles, self.block = options.rows, options.tiles, options.keys
        self.lanes, self.vectors = options.lanes, options.vectors
        self.width, self.row, self.uses_tiles = self.lanes * self.vectors, row_of(kernel, options), uses_tiles(options)
        self.dtype = accumulator(kernel)
        self.element = register_type(self.dtype)
        self.vector = vector_type(self.element, self.lanes)
        self.is_single = isinstance(self.keys, int) and 0 < self.keys <= self.block
        self.lowest = ir.Constant(self.vector, [-math.inf] * self.lanes)
        layout = scratch_layout(kernel, options)
        self.panels, self.scores, self.sums, self.maxima, self.powers, self.values, self.config = (
            self.k.address(self.k.scratch, at, I8)
            for at in (
                layout.keys, layout.scores, layout.sums, layout.statistics, layout.powers, layout.values, layout.config
            )
        )  # fmt: skip
        self.totals = self.k.address(self.maxima, self.tiles * self.rows_each, self.element)
        self.axes = tuple(Axis(n, e) for n, e in zip("bhi", self.q_slot.shape))
        self.key_axis, self.value_axis = Axis("j", self.keys), Axis("e", self.value_size)

    @property
    def can_dot(self) -> bool:
        return self.q_slot.strides[3] == 1 and self.k_slot.strides[3] == 1

    @property
    def has_whole_panels(self) -> bool:
        return isinstance(self.keys, int) and self.keys % self.width == 0

    def is_tiled(self, case: RowCase) -> bool:
        """Are this case's products those of tiles?"""
        return self.uses_tiles and case.size >= ROWS

    def rows_of(self, case: RowCase) -> int:
        """Rows of scratch that a tile uses."""
        return self.rows_each if self.is_tiled(case) else case.size

    def query_of(self, case: RowCase, row: ir.Value) -> ir.Value:
        """The query in a row of scratch. Of products of tiles, rows from 16 on end where the tile does."""
        k = self.k
        query = k.ir.add(case.start, row)
        if not self.is_tiled(case) or case.size == self.rows_each:
            return query
        moved = k.ir.sub(query, k.i64(self.rows_each - case.size))
        return k.ir.select(k.ir.icmp_signed("<", row, k.i64(ROWS)), query, moved)

    def count_of(self, block: Block) -> ir.Value:
        """The keys of a block, in whole steps of products of tiles."""
        k = self.k
        if not self.uses_tiles:
            return block.count
        return k.ir.and_(k.ir.add(block.count, k.i64(SPAN - 1)), k.i64(-SPAN))

    def value_masks(self, start: int) -> list[ir.Value | None]:
        """The mask of existing lanes, for each vector of columns that exists from `start` on."""
        masks: list[ir.Value | None] = []
        for at in range(start, min(start + self.width, self.row), self.lanes):
            left = self.value_size - at
            lanes = ir.VectorType(I1, self.lanes)
            masks.append(None if left >= self.lanes else ir.Constant(lanes, [int(i < left) for i in range(self.lanes)]))
        return masks

    def at(self, base: ir.Value, count: ir.Value, step: Dim, dtype: DType) -> ir.Value:
        return self.k.address(base, scaled(self.k, count, step), storage_type(dtype))

    def get(self, base: ir.Value, at: ir.Value, kind: ir.Type) -> ir.Value:
        return self.k.load(self.k.address(base, at, self.element), kind, self.dtype.size_bytes)

    def put(self, value: ir.Value, base: ir.Value, at: ir.Value) -> None:
        self.k.ir.store(value, self.k.address(base, at, self.element), align=self.dtype.size_bytes)
