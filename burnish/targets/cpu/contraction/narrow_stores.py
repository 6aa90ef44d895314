"""Stores of two column tiles at once where memory is narrower than sums: one store of what lies side by side.

bf16     two vectors are rounded by one instruction (`vcvtne2ps2bf16`)
bytes    integers that are limited to a byte are packed with saturation: the limits cost nothing
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llvmlite import ir

from burnish.dtypes import DType
from burnish.kernels.task import Contraction, Store
from burnish.ops.language.expr import Axis, Expr
from burnish.ops.quantize import limits
from burnish.targets.cpu.builder import I8, I16, I32, KernelBuilder, vector_type
from burnish.targets.cpu.expressions.lanes import Lanes, Values
from burnish.targets.cpu.expressions.values import values_at, vectorised
from burnish.targets.cpu.register_tile.matrix import ROWS

_BYTES = (DType.U8, DType.I8)
_IN_ORDER = (0, 4, 8, 12, 1, 5, 9, 13)  # the words of two packed vectors: each quarter has four bytes of each


def has_wide_stores(k: KernelBuilder, kernel: Contraction, columns: int) -> bool:
    """Can two column tiles be stored as one line, at least in one of the stores?"""
    if columns % 2 or kernel.n.extent == 1 or not k.at_least("x86-64-v4"):
        return False
    rounds = "bf16" in k.target.extensions
    return any(
        _limited(s.value) is not None or (rounds and kernel.slots[s.slot].dtype is DType.BF16) for s in kernel.stores
    )


def store_in_pairs(
    k: KernelBuilder,
    kernel: Contraction,
    axes: Mapping[Axis, ir.Value],
    columns: Sequence[ir.Value],
    masks: Sequence[ir.Value | None],
    sums: Sequence[ir.Value],
) -> None:
    """The epilogue of a row, two column tiles at a time: values of each, but one store of what lies side by side."""
    for c in range(0, len(columns), 2):
        sides = [
            values_at(k, kernel.slots, {**axes, kernel.n: columns[s]}, vector=kernel.n, width=ROWS, mask=masks[s],
                      accumulators=(sums[s],))
            for s in (c, c + 1)
        ]  # fmt: skip
        both = masks[c], masks[c + 1]
        mask = None if both[0] is None or both[1] is None else _joined(k, both[0], both[1])
        wide = values_at(k, kernel.slots, {**axes, kernel.n: columns[c]}, vector=kernel.n, width=2 * ROWS, mask=mask)
        for store in kernel.stores:
            address = wide.facts.address(store.slot, store.index)
            is_beside = not address.atoms and address.form.coefficients.get(kernel.n, 0) == 1
            found = _narrow(k, kernel.slots[store.slot].dtype, store, sides) if is_beside else None
            if found is not None:
                wide.store(store.slot, store.index, Lanes(found))
                continue
            for values in sides:
                values.store(store.slot, store.index, values.value(store.value))


def _narrow(k: KernelBuilder, dtype: DType, store: Store, sides: Sequence[Values]) -> ir.Value | None:
    """The values of both sides in one vector, which the store narrows if it is not narrow yet; None: no such kind."""
    if dtype is DType.BF16 and "bf16" in k.target.extensions:
        low, high = (vectorised(v, store.value) for v in sides)
        return _joined(k, low, high)
    if (integer := _limited(store.value)) is None:
        return None
    low, high = (vectorised(v, integer) for v in sides)
    words = k.call("llvm.x86.avx512.packssdw.512", vector_type(I16, 2 * ROWS), [low, high])
    name = "packsswb" if store.value.dtype.is_signed else "packuswb"
    packed = k.call(f"llvm.x86.avx512.{name}.512", vector_type(I8, 4 * ROWS), [words, words])
    quads = k.ir.bitcast(packed, vector_type(I32, ROWS))
    order = ir.Constant(vector_type(I32, len(_IN_ORDER)), list(_IN_ORDER))
    return k.ir.bitcast(k.ir.shuffle_vector(quads, quads, order), vector_type(I8, 2 * ROWS))


def _limited(value: Expr) -> Expr | None:
    """The integer of 32 bits that is limited to what a byte holds (kernels/codes.py makes them), or None."""
    if value.op != "cast" or value.dtype not in _BYTES or value.args[0].op != "min":
        return None
    lower, most = value.args[0].args
    ends = tuple(e.attr for e in (lower.args[1], most)) if lower.op == "max" and lower.dtype is DType.I32 else ()
    return lower.args[0] if ends == limits(value.dtype) else None


def _joined(k: KernelBuilder, low: ir.Value, high: ir.Value) -> ir.Value:
    """The lanes of two vectors as one."""
    count = 2 * low.type.count
    return k.ir.shuffle_vector(low, high, ir.Constant(vector_type(I32, count), list(range(count))))
