"""How a constant operand of a product is kept in few bits: codes, and a scale for each block of them."""

from __future__ import annotations

from dataclasses import dataclass

from burnish.ops.few_bits import WORD_BITS


@dataclass(frozen=True, slots=True)
class Blocks:
    """B[k, n] = (code[k, n] - zero[k // size, n]) * scale[k // size, n]; the last block may be shorter.

    The codes are slot 1 of the contraction, a byte each as the lowering hands them over; templates pack them.
    bits   2, 4 or 8: codes are unsigned; without a zero point they are two's complement instead
    scale  the slot of the scales [blocks, n], a float; zero: that of the zero points, of any dtype, or None
    """

    size: int
    bits: int
    scale: int
    zero: int | None = None

    @property
    def per_word(self) -> int:
        """Codes in 32 bits."""
        return WORD_BITS // self.bits

    def count(self, depth: int) -> int:
        """Blocks of a column."""
        return -(-depth // self.size)

    def __str__(self) -> str:
        zero = "" if self.zero is None else f"-{self.zero}"
        return f"blocks[{self.size}x{self.bits}b{zero}*{self.scale}]"
