"""The position of a tensor in memory: a storage, an offset, and a stride per axis.

Transposes, slices, expands and most reshapes are only another placement of the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from burnish.dims import Dim, product
from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import Binding
from burnish.ops.language.expr import Expr, Operand, axis, fresh_axis, linear

Shape = tuple[Dim, ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """Element [i...] lies at offset + sum(i * stride), in elements of dtype, from the start of the storage."""

    storage: int
    dtype: DType
    shape: Shape
    strides: Shape
    offset: Dim = 0

    @property
    def slot(self) -> Slot:
        return Slot(self.dtype, self.shape, self.strides, self.aligned)

    @property
    def aligned(self) -> int:
        """The alignment of element 0 in bytes, at most 16: storages start at a multiple of 16."""
        size = self.dtype.size_bytes
        return math.gcd(self.offset * size, 16) if isinstance(self.offset, int) else size

    @property
    def binding(self) -> Binding:
        return Binding(self.storage, self.offset)

    @property
    def is_dense(self) -> bool:
        """Row-major without gaps, from the start of its storage."""
        return self.offset == 0 and same_strides(self.shape, self.strides, dense_strides(self.shape))

    def __str__(self) -> str:
        return f"s{self.storage}"


def dense_strides(shape: Sequence[Dim], order: Sequence[int] | None = None) -> Shape:
    """Strides without gaps; `order` lists the axes from outer to inner (row-major if left out)."""
    order = range(len(shape)) if order is None else order
    strides: list[Dim] = [0] * len(shape)
    running: Dim = 1
    for a in reversed(list(order)):
        strides[a] = running
        running = running * shape[a]
    return tuple(strides)


def same_strides(shape: Sequence[Dim], left: Sequence[Dim], right: Sequence[Dim]) -> bool:
    """Are the strides equal? Axes of extent 1 are ignored, as their stride is never used."""
    return all(a == b for extent, a, b in zip(shape, left, right) if extent != 1)


def view(source: Placement, shape: Shape, where: Callable[[Sequence[Expr]], Sequence[Operand]]) -> Placement | None:
    """The placement of out[i] = source[where(i)], or None where an index is not linear with whole coefficients."""
    axes = [fresh_axis(extent, "v") for extent in shape]
    strides: list[Dim] = [0] * len(shape)
    offset = source.offset
    for index, stride in zip(where([axis(a) for a in axes]), source.strides, strict=True):
        if not isinstance(index, Expr):
            assert not isinstance(index, float)
            offset = offset + index * stride
            continue
        form = linear(index)
        if form is None:
            return None
        offset = offset + form.constant * stride
        for a, coefficient in form.coefficients.items():
            strides[axes.index(a)] = strides[axes.index(a)] + coefficient * stride
    return Placement(source.storage, source.dtype, shape, tuple(strides), offset)


def reshape(source: Placement, shape: Shape) -> Placement | None:
    """The same bytes under another shape, or None if that needs a copy (numpy's rule, on symbolic dims)."""
    old = [(n, s) for n, s in zip(source.shape, source.strides) if n != 1]
    strides: list[Dim] = []
    i = 0
    pending: list[Dim] = [n for n in shape if n != 1]
    while pending:
        if i == len(old):
            return None
        # grow a run of old axes and a run of new ones until they hold as many elements
        last, new = i, [pending.pop(0)]
        while (have := product(n for n, _ in old[i : last + 1])) != (want := product(new)):
            if _fewer(have, want) and last + 1 < len(old):
                last += 1
            elif pending:
                new.append(pending.pop(0))
            elif last + 1 < len(old):
                last += 1
            else:
                return None
        for (_, outer), (n, inner) in zip(old[i:last], old[i + 1 : last + 1]):
            if outer != n * inner:
                return None
        strides += _split(new, old[last][1])
        i = last + 1
    if i != len(old):
        return None
    kept = iter(strides)
    full = tuple(next(kept) if n != 1 else 0 for n in shape)
    return Placement(source.storage, source.dtype, shape, full, source.offset)


def splitting_index(old: Shape, new: Shape) -> Callable[[Sequence[Expr]], list[Operand]] | None:
    """Source index of a reshape that only splits axes and adds or drops axes of extent 1; None for one that merges.

    [B, S, H*D] -> [B, S, H, D]:  (b, s, h, d) -> (b, s, h*D + d)
    """
    runs: list[list[int]] = []
    j = 0
    for n in old:
        run: list[int] = []
        if n != 1:
            while product(new[k] for k in run) != n:
                if j == len(new):
                    return None
                run.append(j)
                j += 1
        runs.append(run)
    if any(new[k] != 1 for k in range(j, len(new))):
        return None

    def where(index: Sequence[Expr]) -> list[Operand]:
        result: list[Operand] = []
        for run in runs:
            strides = _split([new[k] for k in run], 1)
            total: Operand = 0
            for k, stride in zip(run, strides):
                if new[k] != 1:
                    total = index[k] * stride + total
            result.append(total)
        return result

    return where


def _split(extents: Sequence[Dim], inner: Dim) -> list[Dim]:
    strides: list[Dim] = []
    for n in reversed(extents):
        strides.append(inner)
        inner = inner * n
    return strides[::-1]


def _fewer(have: Dim, want: Dim) -> bool:
    """A heuristic that only guides the search: symbolic products are compared by their terms."""
    if isinstance(have, int) and isinstance(want, int):
        return have < want
    return len(str(have)) < len(str(want))
