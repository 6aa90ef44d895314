"""Axes of the loops template as blocks of a [rows, columns] tile."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.dims import Dim, product
from burnish.ops.language.expr import Axis
from burnish.targets.cuda.expressions.emitter import Emitter, Value, placed
from burnish.targets.cuda.text import is_small


def next_power(n: int) -> int:
    """The smallest power of two that is at least n."""
    return 1 << max(0, n - 1).bit_length()


def columns_block(block: int, start: str = "") -> str:
    """Indexes start ... start + block - 1 along the tile's columns; without a start, from 0 on."""
    return f"{start} + {columns_block(block)}" if start else f"tl.arange(0, {block})[None, :]"


def rows_block(block: int, start: str = "") -> str:
    """Like `columns_block`, but along the tile's rows."""
    return f"{start} + {rows_block(block)}" if start else f"tl.arange(0, {block})[:, None]"


def whole_mask(scope: Emitter, index: str, block: int, extent: Dim) -> str:
    """The mask of lanes that exist; "" if all do."""
    if isinstance(extent, int) and extent % block == 0 and extent > 0:
        return ""
    return scope.code.let(f"{index} < {scope.code.text.number(extent)}", "m")


def bind(scope: Emitter, axes: Sequence[Axis], index: str, dim: int | None, mask: str) -> dict[Axis, Value]:
    """Places of axes, outer to inner, from one index that counts through all of them. dim: None for a scalar index."""
    dims = frozenset() if dim is None else frozenset({dim})
    wide = is_wide(axes)
    places: dict[Axis, Value] = {}
    rest = index
    for n, a in enumerate(reversed(axes)):
        if n == len(axes) - 1:
            places[a] = placed(rest, dims, mask, wide)
            break
        extent = scope.code.text.number(a.extent)
        at = scope.code.let(f"{rest} % {extent}", "i")
        places[a] = placed(at, dims, mask, wide)
        rest = scope.code.let(f"{rest} // {extent}", "i")
    return {a: places[a] for a in axes}


def is_wide(axes: Sequence[Axis]) -> bool:
    """Might an index through all of them need more than 31 bits?"""
    return not is_small(product(a.extent for a in axes))
