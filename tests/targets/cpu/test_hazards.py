"""hazards.py: what conflicts, byte by byte."""

from __future__ import annotations

import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import Binding
from burnish.targets.cpu.hazards import ARENA, Access, Bytes, Pending, private_slots
from tests.targets.cpu.programs import Maker, pointwise


def access(low: int, high: int, write: bool = False, serial: bool = False, space: int = ARENA) -> Access:
    return Access(space, low, high, write, serial)


@pytest.mark.parametrize(
    ("first", "second", "conflict"),
    [
        (access(0, 8), access(0, 8), False),
        (access(0, 8, write=True), access(0, 8), True),
        (access(0, 8), access(0, 8, write=True), True),
        (access(0, 8, write=True), access(0, 8, write=True), True),
        (access(0, 8, write=True), access(8, 16), False),
        (access(0, 9, write=True), access(8, 16), True),
        (access(0, 8, write=True), access(0, 8, space=3), False),
        (access(0, 8, write=True, serial=True), access(0, 8, serial=True), False),
        (access(0, 8, write=True, serial=True), access(0, 8), True),
    ],
)
def test_overlap_with_a_write_conflicts_unless_thread_0_does_both(first: Access, second: Access, conflict: bool):
    assert first.conflicts(second) is conflict
    assert second.conflicts(first) is conflict
    pending = Pending()
    pending.add([first])
    assert pending.conflict([second]) is conflict
    assert pending.joined(Pending()).conflict([second]) is conflict


def memory() -> tuple[Bytes, int]:
    m = Maker()
    number = m.storage("arena", (100,))
    return Bytes.of(m.program(), {number: 128}), number


def test_a_write_takes_the_bytes_of_its_slot():
    where, storage = memory()
    slot = Slot(DType.F32, (2, 3), (10, 1))
    assert where.written(slot, Binding(storage, 5), False) == access(128 + 20, 128 + 4 * (5 + 12 + 1), write=True)


def test_negative_strides_reach_below_the_offset():
    where, storage = memory()
    slot = Slot(DType.F32, (4,), (-2,))
    assert where.written(slot, Binding(storage, 9), False) == access(128 + 4 * 3, 128 + 4 * 10, write=True)


def test_a_symbolic_slot_takes_its_whole_storage():
    where, storage = memory()
    slot = Slot(DType.F32, (symbol("n"),), (1,))
    assert where.written(slot, Binding(storage), False) == access(128, 128 + 400, write=True)


def test_a_slot_is_private_unless_another_slot_overlaps_it_and_one_is_written():
    m = Maker()
    x, y = m.input("x"), m.output("y")
    where = Bytes.of(m.program(), {})
    assert private_slots(pointwise(lambda a, b: a + b, x, x, y, n=64), where) == {0, 1, 2}
    assert private_slots(pointwise(lambda a, b: a + b, x, y, y, n=64), where) == {0}
