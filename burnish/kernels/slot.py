"""A slot: one parameter of a kernel, a tensor at some place in memory."""

from __future__ import annotations

from dataclasses import dataclass

from burnish.dims import Dim, format_shape, maximum, minimum
from burnish.dtypes import DType


@dataclass(frozen=True, slots=True)
class Slot:
    """A parameter: dtype, logical shape, and the stride of each axis. Stride 0 repeats; strides may be negative.

    aligned: the address is a multiple of this many bytes, at most 16
    zeros: of a constant, the sixteenths of it that are 0, where that may pay (mark_zeros.py)
    """

    dtype: DType
    shape: tuple[Dim, ...]
    strides: tuple[Dim, ...]
    aligned: int = 16
    zeros: int = 0

    @property
    def is_forward(self) -> bool:
        """Is element 0 known to be the first in memory?"""
        return not any(isinstance(s, int) and s < 0 for s in self.strides)

    @property
    def span(self) -> Dim:
        """The number of elements in memory from the first to the last; only for forward slots."""
        return 1 + sum(((n - 1) * s for n, s in zip(self.shape, self.strides)), start=0)

    @property
    def ends(self) -> tuple[Dim, Dim]:
        """The lowest and the highest offset of an element, for strides of any sign."""
        low: Dim = 0
        high: Dim = 0
        for n, s in zip(self.shape, self.strides):
            reach = (n - 1) * s
            low, high = low + minimum(reach, 0), high + maximum(reach, 0)
        return low, high

    def __str__(self) -> str:
        aligned = "" if self.aligned == 16 else f"a{self.aligned}"
        zeros = f"z{self.zeros}" if self.zeros else ""
        return f"{self.dtype.value}{format_shape(self.shape)}@{format_shape(self.strides)}{aligned}{zeros}"
