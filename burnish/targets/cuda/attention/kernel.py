"""The text of attention kernels. The method is in template.py; names in the text are those of this file.

Each program has `block_m` rows (queries) of one head and goes over keys in blocks of `block_n`. Queries of the heads
that share a key head may be rows of one block (`packs`). Head sizes are padded to 16 at least, in one or two pieces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from burnish.dims import Dim, ceildiv, divisor, floordiv, product
from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import AttentionTask, Slot
from burnish.target import Target
from burnish.targets.cuda.expressions.values import SPECIAL
from burnish.targets.cuda.source import Parameter, Pointer, Size, TensorMap, Workspace

LOG2E = 1.4426950408889634
SMALLEST_PIECE = 16  # what a tensor core multiplies at least


@dataclass(frozen=True, slots=True)
class Piece:
    """Elements [first, first + width) of a head; those from `extent` on do not exist."""

    first: int
    width: int
    extent: int

    @property
    def is_whole(self) -> bool:
        return self.first + self.width <= self.extent


def pieces_of(size: int) -> tuple[Piece, ...]:
    """A head's size in one or two powers of two: 64 -> 64; 80 -> 64 + 16; 72 -> 64 + 16; 112 -> 128; 5 -> 16."""
    full = -(-size // SMALLEST_PIECE) * SMALLEST_PIECE
    first = 1 << (full.bit_length() - 1)
    rest = _power_of_two(full - first) if full > first else 0
    if rest == first:
        return (Piece(0, 2 * first, size),)
    return (Piece(0, first, size), Piece(first, rest, size)) if rest else (Piece(0, first, size),)


@dataclass
class Attention:
    """A kernel and its schedule, as the text needs them; `sizes` grows while the text is written."""

    kernel: AttentionTask
    schedule: Schedule
    target: Target
    sizes: dict[tuple[Dim, DType], Size] = field(default_factory=dict)

    def __post_init__(self) -> None:
        slots = self.kernel.slots
        self.q, self.k, self.v, self.out = slots[0], slots[1], slots[2], slots[-1]
        self.mask = slots[3] if self.kernel.masked else None
        self.batch, self.heads, self.queries, _ = self.q.shape
        self.key_heads, self.keys = self.k.shape[1:3]
        self.depth = pieces_of(_number(self.q.shape[3]))
        self.values = pieces_of(_number(self.v.shape[3]))
        self.block_m, self.block_n, self.splits = (self.schedule.integer(n) for n in ("block_m", "block_n", "splits"))
        self.packs, self.copies = bool(self.schedule["packs"]), bool(self.schedule["copies"])
        self.overlaps = self.target.capability >= 90

    @cached_property
    def group(self) -> Dim:
        """Heads of queries for each head of keys."""
        return floordiv(self.heads, self.key_heads)

    @property
    def rows(self) -> Dim:
        """Rows of one head's programs, all blocks together."""
        return self.group * self.queries if self.packs else self.queries

    @property
    def row_heads(self) -> Dim:
        """How many heads have programs of their own."""
        return self.key_heads if self.packs else self.heads

    @property
    def blocks(self) -> Dim:
        return ceildiv(self.rows, self.block_m)

    @property
    def programs(self) -> Dim:
        return product((self.blocks, self.batch, self.row_heads))

    @property
    def accumulator(self) -> str:
        return "tl.float64" if self.q.dtype is DType.F64 else "tl.float32"

    @property
    def is_masked_by_number(self) -> bool:
        return self.mask is not None and self.mask.dtype is not DType.BOOL

    @property
    def scales_late(self) -> bool:
        """The scale joins the exponential, since nothing stands between them."""
        return self.kernel.scale > 0 and not self.kernel.softcap and not self.is_masked_by_number

    @property
    def to_exponent(self) -> float:
        """What a score is multiplied with for exp2."""
        return LOG2E * (self.kernel.scale if self.scales_late else 1.0)

    @property
    def multiplies_as(self) -> str | None:
        """What tensor cores multiply, if it is not what lies in memory."""
        return "tl.float32" if self.q.dtype is DType.BF16 and self.target.capability < 80 else None

    def number(self, dim: Dim, dtype: DType = DType.I32) -> str:
        """A dim as text: digits, or the name of a parameter."""
        if isinstance(dim, int):
            return str(dim)
        key = (dim, dtype)
        if key not in self.sizes:
            self.sizes[key] = Size(f"size{len(self.sizes)}", dim, dtype, math.gcd(divisor(dim), SPECIAL))
        return self.sizes[key].name

    def scaled(self, index: str, stride: Dim, dtype: DType = DType.I32) -> str:
        """index * stride, or nothing."""
        if stride == 0:
            return ""
        return index if stride == 1 else f"{index} * {self.number(stride, dtype)}"

    def parameters(self) -> tuple[Parameter, ...]:
        """In the kernel's order; complete once the text is written."""
        named = ["q", "k", "v", *(["mask"] if self.mask else []), "out"]
        tensors: list[Parameter] = []
        for number, (name, slot) in enumerate(zip(named, self.kernel.slots, strict=True)):
            if self.copies and name in ("k", "v"):
                tensors.append(_tensor_map(name, number, slot, (1, 1, self.block_n, _power_of_two(slot.shape[3]))))
            else:
                tensors.append(Pointer(name, number, slot.dtype, slot.aligned))
        if self.splits > 1:
            rows = self.programs * (self.splits * self.block_m)
            width = sum(p.width for p in self.values) + 2
            item = self.q.dtype.size_bytes if self.q.dtype is DType.F64 else 4
            partial = DType.F64 if self.q.dtype is DType.F64 else DType.F32
            tensors.append(Workspace("partial", partial, rows * (width * item)))
            tensors.append(Workspace("arrivals", DType.I32, self.programs * 4, zeroed=True))
        return (*tensors, *self.sizes.values())


def dense_strides(slot: Slot) -> tuple[Dim, ...]:
    """The strides with those of axes of extent 1, which say nothing, made such that the copy engine takes them."""
    found, following = list(slot.strides), slot.shape[-1]
    for axis in range(len(found) - 2, -1, -1):
        if slot.shape[axis] == 1:
            found[axis] = ceildiv(following, 16) * 16
        following = found[axis] if isinstance(found[axis], int) else following
    return tuple(found)


def _tensor_map(name: str, number: int, slot: Slot, box: Sequence[int]) -> TensorMap:
    return TensorMap(name, number, slot.dtype, slot.shape, dense_strides(slot), tuple(box))


def _number(dim: Dim) -> int:
    assert isinstance(dim, int), "a head's size is known"
    return dim


def _power_of_two(size: Dim) -> int:
    return max(SMALLEST_PIECE, 1 << (_number(size) - 1).bit_length())
