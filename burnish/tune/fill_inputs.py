"""The data in a trial's tensors: safe for every operator, and the same in every process.

floats    1/16 to 1: no overflow, no root or logarithm of a negative number; zeros among weights that have them
indices   anywhere on the axis that they index
lengths   of an LSTM's sequences: the whole time axis
others    1 to 3; bools at even odds
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from burnish.dims import evaluate
from burnish.dtypes import DType
from burnish.kernels.mark_zeros import SHARES
from burnish.kernels.task import Contraction, Kernel, Loops, RecurrentTask
from burnish.ops.language.expr import Expr, linear, walk

Array = np.ndarray[Any, Any]
_BLOCK = 1_000_003  # elements drawn; longer tensors repeat them
_APART = 1 << 16  # elements between the starts of two slots' floats


class Contents:
    """Tensors of several trials. Floats are drawn once: every tensor of a type is a part of the same long array."""

    def __init__(self) -> None:
        self._floats: dict[str, Array] = {}

    def of(self, kernel: Kernel, slot: int, size_bytes: int, sizes: Mapping[str, int]) -> Array:
        """Bytes for the storage that a slot reads or writes, not to be changed."""
        dtype = kernel.slots[slot].dtype
        count = -(-size_bytes // dtype.size_bytes)
        if dtype.is_float:
            start = slot * _APART
            values = self._drawn(dtype, start + count)[start : start + count]
            return _thinned(values, kernel.slots[slot].zeros).view(np.uint8)[:size_bytes]
        block = _integers(kernel, slot, min(count, _BLOCK), sizes)
        return _repeated(block, count).view(np.uint8)[:size_bytes]

    def _drawn(self, dtype: DType, count: int) -> Array:
        found = self._floats.get(dtype.value)
        if found is None or len(found) < count:
            block = np.random.default_rng(0).uniform(1 / 16, 1, _BLOCK).astype(np.float32).astype(dtype.numpy)
            found = self._floats[dtype.value] = _repeated(block, count)
        return found


def _integers(kernel: Kernel, slot: int, count: int, sizes: Mapping[str, int]) -> Array:
    dtype = kernel.slots[slot].dtype
    generator = np.random.default_rng(slot)
    if isinstance(kernel, RecurrentTask):  # the only integers it has are lengths
        return np.full(count, evaluate(kernel.slots[0].shape[0], sizes), dtype.numpy)
    low, high = (0, 2) if dtype.value == "bool" else index_range(kernel, slot, sizes) or (1, 4)
    return generator.integers(low, high, count).astype(dtype.numpy)


def _thinned(values: Array, zeros: int) -> Array:
    """The values with so many sixteenths of zeros, anywhere."""
    if not zeros:
        return values
    block = np.random.default_rng(1).random(min(len(values), _BLOCK)) < zeros / SHARES
    return np.where(_repeated(block, len(values)), values.dtype.type(0), values)


def _repeated(block: Array, count: int) -> Array:
    """The block, over and over; ten times faster than np.resize."""
    found = np.empty(count, block.dtype)
    done = min(count, len(block))
    found[:done] = block[:done]
    while done < count:
        more = min(done, count - done)
        found[done : done + more] = found[:more]
        done += more
    return found


def index_range(kernel: Kernel, slot: int, sizes: Mapping[str, int]) -> tuple[int, int] | None:
    """The range [low, high) for a slot's values if they are used as indices; None if they are not.

    Indices from data are clamped where they are used: min(index, last). This gives the upper limit.
    """
    indexes = [e for _, index in _accesses(kernel) for e in index if _reads(e, slot)]
    clamps = (node for e in indexes for node in walk(e) if node.op == "min" and _reads(node.args[0], slot))
    last = [_number(node.args[1], sizes) for node in clamps]
    return (0, 1 + max(0, min(last, default=0))) if indexes else None


def _reads(expr: Expr, slot: int) -> bool:
    return any(e.op == "load" and e.attr == slot for e in walk(expr))


def _number(expr: Expr, sizes: Mapping[str, int]) -> int:
    """A constant or a dim; 0 for anything else."""
    form = linear(expr)
    return evaluate(form.constant, sizes) if form is not None and not form.coefficients else 0


def _accesses(kernel: Kernel) -> Iterator[tuple[int, tuple[Expr, ...]]]:
    """(slot, index) of every load and store."""
    for store in kernel.stores if isinstance(kernel, Loops | Contraction) else ():
        yield store.slot, store.index
        for root in (store.value, *store.index):
            for node in walk(root):
                if node.op == "load":
                    yield node.attr, node.args
