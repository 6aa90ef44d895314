"""The facts of an attention kernel, before any text is written. The method is in template.py.

Each program has `block_m` rows (queries) of one head and goes over keys in blocks of `block_n`. Queries of the heads
that share a key head may be rows of one block (`packs`). Head sizes are padded to 16 at least, in one or two pieces.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from burnish.dims import Dim, ceildiv, floordiv, known, product
from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import AttentionTask
from burnish.target import Target
from burnish.targets.cuda.attention.options import AttentionOptions
from burnish.targets.cuda.chips import chip_of

LOG2E = 1.4426950408889634
SMALLEST_PIECE = 16  # the smallest size that a tensor core multiplies
SMALLEST_OF_CODES = 32  # and of bytes, along the axis that is summed


@dataclass(frozen=True, slots=True)
class Piece:
    """Elements [first, first + width) of a head; elements from `extent` on do not exist."""

    first: int
    width: int
    extent: int

    @property
    def is_whole(self) -> bool:
        return self.first + self.width <= self.extent


def pieces_of(size: int, least: int = SMALLEST_PIECE) -> tuple[Piece, ...]:
    """A head's size in one or two powers of two: 64 -> 64; 80 -> 64 + 16; 72 -> 64 + 16; 112 -> 128; 5 -> 16."""
    full = -(-size // least) * least
    first = 1 << (full.bit_length() - 1)
    rest = max(least, power_of_two(full - first)) if full > first else 0
    if rest == first:
        return (Piece(0, 2 * first, size),)
    return (Piece(0, first, size), Piece(first, rest, size)) if rest else (Piece(0, first, size),)


@dataclass
class Attention:
    """A kernel and its schedule, with the facts that the text needs."""

    kernel: AttentionTask
    options: AttentionOptions
    target: Target

    def __post_init__(self) -> None:
        slots = self.kernel.slots
        self.q, self.k, self.v, self.out = slots[0], slots[1], slots[2], slots[-1]
        self.mask = slots[3] if self.kernel.masked else None
        self.batch, self.heads, self.queries, _ = self.q.shape
        self.key_heads, self.keys = self.k.shape[1:3]
        self.codes = self.kernel.codes
        self.depth = pieces_of(known(self.q.shape[3]), SMALLEST_OF_CODES if self.codes else SMALLEST_PIECE)
        self.values = pieces_of(known(self.v.shape[3]))
        self.block_m, self.block_n = self.options.block_m, self.options.block_n
        self.splits, self.packs, self.copies = self.options.splits, self.options.packs, self.options.copies

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
        """May the scale be merged into the exponential? Only if nothing stands between the two."""
        return self.kernel.scale > 0 and not self.kernel.softcap and not self.is_masked_by_number

    @property
    def to_exponent(self) -> float:
        """The factor of a score before exp2."""
        return LOG2E * (self.kernel.scale if self.scales_late else 1.0)

    @property
    def multiplies_as(self) -> str | None:
        """The type that tensor cores multiply, if it differs from the type in memory."""
        return "tl.float32" if self.q.dtype is DType.BF16 and not chip_of(self.target).has_tensor_cores else None

    @property
    def looks_twice(self) -> bool:
        """Is the softmax rounded to codes? Then a first look at the keys must have found its maximum and its total."""
        return self.codes is not None and self.codes.weights > 0

    @property
    def weights(self) -> DType:
        """The type in which the softmax and the values are multiplied."""
        if self.codes is None:
            return self.v.dtype
        if self.looks_twice:
            return DType.F16 if self.options.precision == "f16" else DType.F8E4M3
        return self.codes.dtype

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the slots."""
        return ("q", "k", "v", *(["mask"] if self.mask else []), "out")

    @property
    def partial(self) -> DType:
        """The dtype of a split's partial results: sums, maxima, totals."""
        return DType.F64 if self.q.dtype is DType.F64 else DType.F32

    @property
    def partial_elements(self) -> int:
        """Of each program."""
        return self.block_m * (sum(p.width for p in self.values) + 2)


def dense_strides(slot: Slot) -> tuple[Dim, ...]:
    """The strides. Those of axes of extent 1 have no effect; they are set so that the copy engine accepts them."""
    found, following = list(slot.strides), slot.shape[-1]
    for axis in range(len(found) - 2, -1, -1):
        if slot.shape[axis] == 1:
            found[axis] = ceildiv(following, 16) * 16
        following = found[axis] if isinstance(found[axis], int) else following
    return tuple(found)


def power_of_two(size: Dim) -> int:
    return max(SMALLEST_PIECE, 1 << (known(size) - 1).bit_length())
