"""Stores of a few neighbours at once: images whose channels lie side by side, written from channels that lie apart.

    slot[3 * x + c] for c = 0, 1, 2        three vectors along x, shuffled into three vectors of memory

Without it each lane is stored by itself. The channels are the rows of a tile (`LoopsOptions.rows`).
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from burnish.kernels.facts import Facts
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis
from burnish.targets.cpu.builder import I32, KernelBuilder, vector_type
from burnish.targets.cpu.expressions.lanes import Lanes, Values
from burnish.targets.cpu.expressions.storage import storage_type

_MOST = 4


def interleaved_axis(kernel: Loops, vector: Axis) -> Axis | None:
    """The axis whose few elements lie side by side between two steps of the vector axis, in every store."""
    facts = Facts(kernel.slots)
    for axis in kernel.domain:
        if axis == vector or not isinstance(axis.extent, int) or not 2 <= axis.extent <= _MOST:
            continue
        places = [facts.address(s.slot, s.index) for s in kernel.stores]
        steps = [(p.form.coefficients.get(axis, 0), p.form.coefficients.get(vector, 0)) for p in places]
        if all(not p.atoms and s == (1, axis.extent) for p, s in zip(places, steps)):
            return axis
    return None


def store_interleaved(rows: Sequence[Values], first: Values, store: Store) -> None:
    """Store the vectors of all rows. first: the place of the first row's first lane, a scope without lanes."""
    b, width = rows[0].code.builder, rows[0].code.width
    dtype = rows[0].slots[store.slot].dtype
    values = [
        b.splat(r.code.stored(dtype, Lanes(b.splat(r.value(store.value).value, width))).value, width) for r in rows
    ]
    offset = first.offset(first.facts.address(store.slot, store.index)).value
    for number, value in enumerate(_interleaved(b, values)):
        place = b.ir.add(offset, b.i64(number * width))
        b.ir.store(
            value, b.address(first.code.pointers[store.slot], place, storage_type(dtype)), align=dtype.size_bytes
        )


def _interleaved(b: KernelBuilder, values: Sequence[ir.Value]) -> list[ir.Value]:
    """The lanes of all values in turn, as so many vectors."""
    count, width = len(values), values[0].type.count
    found = []
    for number in range(count):
        lanes = range(number * width, (number + 1) * width)
        mixed = values[0]
        for n, value in enumerate(values[1:], 1):
            order = [width + at // count if at % count == n else _kept(at, n, count, lanes.start) for at in lanes]
            mixed = b.ir.shuffle_vector(mixed, value, ir.Constant(vector_type(I32, width), order))
        found.append(mixed)
    return found


def _kept(at: int, turn: int, count: int, start: int) -> int:
    """Where a lane of the values before is: in its place, but in the first turn in that of the value."""
    return at // count if turn == 1 else at - start
