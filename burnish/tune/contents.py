"""What a trial's tensors hold: harmless to every operator, the same in every process.

floats    1/16 to 1: no overflow, no root or logarithm of a negative number
indices   anywhere on the axis that they index
lengths   of an LSTM's sequences: the whole time axis
others    1 to 3; bools at even odds
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from burnish.dims import evaluate
from burnish.lower.task import Contraction, Kernel, Loops, RecurrentTask
from burnish.ops.expr import Expr, linear, walk

Array = np.ndarray[Any, Any]
_BLOCK = 1_000_003  # elements drawn; longer tensors repeat them


def content_of(kernel: Kernel, slot: int, size_bytes: int, sizes: Mapping[str, int]) -> Array:
    """Bytes for the storage that a slot reads or writes."""
    dtype = kernel.slots[slot].dtype
    count = -(-size_bytes // dtype.size_bytes)
    generator = np.random.default_rng(slot)
    drawn = min(count, _BLOCK)
    if dtype.is_float:
        block = generator.uniform(1 / 16, 1, drawn).astype(np.float32).astype(dtype.numpy)
    elif isinstance(kernel, RecurrentTask):  # the only integers it has are lengths
        block = np.full(drawn, evaluate(kernel.slots[0].shape[0], sizes), dtype.numpy)
    elif dtype.value == "bool":
        block = generator.integers(0, 2, drawn).astype(dtype.numpy)
    else:
        low, high = index_range(kernel, slot, sizes) or (1, 4)
        block = generator.integers(low, high, drawn).astype(dtype.numpy)
    return np.resize(block, count).view(np.uint8)[:size_bytes]


def index_range(kernel: Kernel, slot: int, sizes: Mapping[str, int]) -> tuple[int, int] | None:
    """From, and below, what a slot's values should lie if they are used as indices; None if they are not.

    Indices from data are clamped where they are used, min(index, last), which says how far they may go.
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
