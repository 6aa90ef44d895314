"""A temporary lives from the first step that touches it to the last, branches included."""

from __future__ import annotations

from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import Binding, Branch, Launch, Loops, Program, Storage
from burnish.lower.memory.lifetimes import lifetimes_of, storages_by_step


def launch(*storages: int) -> Launch:
    slots = tuple(Slot(DType.F32, (4,), (1,)) for _ in storages)
    return Launch(Loops(slots, (), ()), tuple(Binding(n) for n in storages), (len(storages) - 1,), "n", ())


def test_a_branch_and_its_condition_are_steps_of_their_own() -> None:
    steps = (launch(0, 1), Branch("if", Binding(1), (launch(0, 2),), (launch(0, 3), launch(3, 2))), launch(2, 4))
    assert storages_by_step(steps) == [{0, 1}, {1}, {0, 2}, {0, 3}, {2, 3}, {2, 4}]


def test_only_temporaries_that_are_touched_have_a_lifetime() -> None:
    kinds = ("input", "arena", "arena", "output", "arena")
    storages = tuple(Storage(n, kind, 16 * (n + 1)) for n, kind in enumerate(kinds))
    program = Program({}, (), (), storages, {}, (launch(0, 1), launch(1, 2), launch(2, 3)), geometry={2: "padded"})
    found = [(x.storage, x.size_bytes, x.first, x.last, x.geometry) for x in lifetimes_of(program)]
    assert found == [(1, 32, 0, 1, ""), (2, 48, 1, 2, "padded")]
