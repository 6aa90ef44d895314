"""What an Emitter works with: places of axes, values with their types, sizes that shapes decide."""

from __future__ import annotations

from dataclasses import dataclass

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.targets.cuda.text import KernelText, is_small


@dataclass(frozen=True, slots=True)
class Place:
    """The values of an axis. text: an i32 name (or number), i64 if `wide`; mask: the lanes that exist (a name or a
    term in parentheses), "" for all.

    dims: the tile's dimensions that it varies along; none for a scalar
    """

    text: str
    dims: frozenset[int] = frozenset()
    mask: str = ""
    wide: bool = False

    @property
    def value(self) -> Value:
        return Value(self.text, "int64" if self.wide else "int32", self.dims, self.text.isdigit())


@dataclass(frozen=True, slots=True)
class Value:
    """A name, a term or (`constant`) a literal; its Triton type and the tile's dimensions it varies along."""

    text: str
    kind: str
    dims: frozenset[int] = frozenset()
    constant: bool = False


def size_value(text: KernelText, dim: Dim) -> Value:
    """A dimension as a literal, or as a parameter."""
    if isinstance(dim, int):
        return Value(text.number(dim), "int32" if is_small(dim) else "int64", constant=True)
    size = text.size(dim)
    return Value(size.name, "int32" if size.dtype is DType.I32 else "int64")
