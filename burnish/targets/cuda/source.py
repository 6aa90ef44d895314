"""The result of a template: the Triton source of one kernel, its parameters and its grid.

The source is a module of its own, without imports: it can use `tl`, `triton`, `libdevice`, `gdc_wait` and
`gdc_launch_dependents`. It defines `kernel`, whose arguments are the parameters' names, in order. Everything known at
build time is a number in the text; only values that depend on shapes are a `Size`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from burnish.dims import Dim
from burnish.dtypes import DType


@dataclass(frozen=True, slots=True)
class Pointer:
    """The address of slot `slot`'s element 0."""

    name: str
    slot: int
    dtype: DType
    divisible: int = 16  # bytes; the address is known to be a multiple of this


@dataclass(frozen=True, slots=True)
class Size:
    """An integer that depends on shapes."""

    name: str
    value: Dim
    dtype: DType = DType.I32
    divisible: int = 1


@dataclass(frozen=True, slots=True)
class TensorMap:
    """A tensor descriptor on slot `slot` (Triton's `tensordesc`): loads and stores of whole boxes by the copy engine.

    offset in elements from the slot's element 0; shape and strides outer to inner, in elements, the last stride is 1;
    steps: the copy takes every n-th element of an axis (the box is counted after that).
    """

    name: str
    slot: int
    dtype: DType
    shape: tuple[Dim, ...]
    strides: tuple[Dim, ...]
    box: tuple[int, ...]
    steps: tuple[int, ...] = ()
    offset: Dim = 0


@dataclass(frozen=True, slots=True)
class Workspace:
    """Memory that belongs to the launch. `zeroed`: it is zero when shapes are bound, and no other launch touches it."""

    name: str
    dtype: DType
    size_bytes: Dim
    zeroed: bool = False


Parameter = Pointer | Size | TensorMap | Workspace


@dataclass(frozen=True, slots=True)
class Source:
    """overlaps: the kernel calls gdc_wait() before it touches memory that other launches write.

    signs: of 8-bit operands of products: how the first and the second one are read ("u8" or "i8"). In the text they
           are int8, as Triton's `dot` wants them; () if there are none
    near: asynchronous loads go through a processor's own cache, which they otherwise pass by
    registers: that a thread may have; the assembler then orders loads as if it had them all. 0: it decides itself
    name: template and schedule, for messages
    origins: for each line of the text the function that wrote it, or ""
    """

    text: str
    parameters: tuple[Parameter, ...]
    grid: tuple[Dim, Dim, Dim]
    warps: int = 4
    stages: int = 3
    overlaps: bool = False
    registers: int = 0
    signs: tuple[str, ...] = ()
    near: bool = field(default=False, repr=False)
    name: str = field(default="", compare=False)
    origins: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def annotated(self) -> str:
        """The text with the function that wrote each line as a comment; it compiles to the same code."""
        lines = self.text.splitlines()
        origins = (*self.origins, *[""] * len(lines))
        return "".join(f"{x:<100}  # {o}\n" if x and o else f"{x}\n" for x, o in zip(lines, origins))
