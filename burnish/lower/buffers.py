"""Allocate memory for tensors while a graph is lowered: storages and placements."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from burnish.dims import Dim, product, symbols
from burnish.dtypes import DType
from burnish.kernels.task import Storage
from burnish.lower.placement import Placement, dense_strides
from burnish.ops.language.definition import Tensor

Halo = tuple[tuple[int, int], ...]  # pads kept before and after each axis
CACHE_LINE_BYTES = 64
LEAST_NARROWED = 1 << 17  # elements; fewer stay in the second cache level, and widening them costs more than it saves


@dataclass(frozen=True, slots=True)
class Layout:
    """A new buffer: its axes from outer to inner, pads around it, and a gap that keeps rows apart in the cache.

    fill: the element of the pads; other than 0 only of 8-bit integers
    """

    order: tuple[int, ...]
    halo: Halo = ()
    spread: bool = False
    fill: int = 0


@dataclass(eq=False)
class Buffers:
    """All storages of a program. `from_data`: symbols known only during the run; storages sized by them are dynamic.

    packs_half, byte_tiles: how constants of products are kept (see `Abilities`); ranges: of the profile's symbols
    """

    from_data: frozenset[str]
    packs_half: bool = False
    byte_tiles: bool = False
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    storages: list[Storage] = field(default_factory=list)
    constants: dict[int, np.ndarray[Any, Any]] = field(default_factory=dict)
    geometry: dict[int, str] = field(default_factory=dict)  # storages with a halo
    fills: dict[int, int] = field(default_factory=dict)  # the byte of each of their halos that is not 0
    halos: dict[Placement, Halo] = field(default_factory=dict)  # of these very placements, not of other views of them
    _constant_of: dict[Any, Placement] = field(default_factory=dict)

    def new_storage(self, kind: str, size_bytes: Dim, name: str) -> int:
        if kind == "arena" and symbols(size_bytes) & self.from_data:
            kind = "dynamic"
        self.storages.append(Storage(len(self.storages), kind, size_bytes, name))
        return len(self.storages) - 1

    def dense(self, kind: str, tensor: Tensor) -> Placement:
        """A new row-major buffer."""
        storage = self.new_storage(kind, product(tensor.shape) * tensor.dtype.size_bytes, tensor.name)
        return Placement(storage, tensor.dtype, tensor.shape, dense_strides(tensor.shape))

    def temporary(self, name: str, dtype: DType, shape: Sequence[Dim], layout: Layout) -> Placement:
        """A buffer in the arena under a layout."""
        halo = layout.halo or ((0, 0),) * len(shape)
        padded = [n + lo + hi for n, (lo, hi) in zip(shape, halo)]
        strides = list(dense_strides(padded, layout.order))
        total = product(padded)
        if layout.spread and (gap := row_gap(padded, layout.order, dtype)):
            inner = layout.order[-1]
            spaced = list(padded)
            spaced[inner] = spaced[inner] + gap
            strides = list(dense_strides(spaced, layout.order))
            total = product(spaced)
        storage = self.new_storage("arena", total * dtype.size_bytes, name)
        offset: Dim = 0
        for (lo, _), stride in zip(halo, strides):
            offset = offset + lo * stride
        placement = Placement(storage, dtype, tuple(shape), tuple(strides), offset)
        if layout.halo:
            self.halos[placement] = halo
            self.geometry[storage] = f"{dtype.value}{padded}{strides}{halo}"
            if layout.fill:
                self.fills[storage] = layout.fill & 0xFF
        return placement

    def constant(self, key: Any, array: np.ndarray[Any, Any], name: str) -> Placement:
        """A constant; equal keys share one storage."""
        if key not in self._constant_of:
            dtype = DType.of(array.dtype)
            storage = self.new_storage("constant", array.nbytes, name)
            self.constants[storage] = np.ascontiguousarray(array).reshape(array.shape)
            self._constant_of[key] = Placement(storage, dtype, array.shape, dense_strides(array.shape))
        return self._constant_of[key]

    def packed(self, key: Any, array: np.ndarray[Any, Any], name: str) -> Placement:
        """A constant that the template packs. If the target can, it is in the narrowest float that holds its values."""
        return self.constant(key, narrowest(array) if self.packs_half else array, name)

    def constant_tensor(self, tensor: Tensor) -> Placement:
        return self.constant(tensor, content(tensor), tensor.name)


def content(tensor: Tensor) -> np.ndarray[Any, Any]:
    """A constant tensor's array."""
    if tensor.array is not None:
        return np.asarray(tensor.array)
    shape = [int(n) for n in tensor.shape]  # type: ignore[arg-type]
    return np.array(tensor.elements, dtype=tensor.dtype.numpy).reshape(shape)


def narrowest(array: np.ndarray[Any, Any], least: int = LEAST_NARROWED) -> np.ndarray[Any, Any]:
    """Convert f32 values to bf16 or f16 if that type holds them exactly. Arrays of fewer elements than `least` stay.

    cost: a check of a sample, and one full pass if the sample fits
    """
    if array.dtype != np.float32 or array.size < least:
        return array
    for dtype in (DType.BF16.numpy, DType.F16.numpy):
        sample = array.reshape(-1)[: 1 << 10]
        with np.errstate(over="ignore"):
            if (sample.astype(dtype).astype(np.float32) == sample).all():
                narrow = array.astype(dtype)
                if (narrow.astype(np.float32) == array).all():
                    return narrow
    return array


def row_gap(padded: Sequence[Dim], order: Sequence[int], dtype: DType) -> int:
    """Elements to add to the innermost axis, so that neighbouring rows do not fall into few sets of the L1 cache.

    Rows of L cache lines return to the same set after 64 / gcd(L, 64) sets. With fewer than 8 sets, the 14 to 28 rows
    of a register tile evict one another (measured: up to 3.9x, see benchmarks/README.md).
    """
    inner = padded[order[-1]]
    if not isinstance(inner, int):
        return 0
    row_bytes = inner * dtype.size_bytes
    if row_bytes % CACHE_LINE_BYTES:
        return 0
    return CACHE_LINE_BYTES // dtype.size_bytes if math.gcd(row_bytes // CACHE_LINE_BYTES, 64) >= 16 else 0
