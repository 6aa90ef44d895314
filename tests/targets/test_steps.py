"""steps.py: what all targets do alike with a program's steps."""

from __future__ import annotations

from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Binding, Branch, Fail, Launch, Loops, Program, ReferenceStep, Storage
from burnish.plan.manifest import (
    REFERENCE,
    BranchStep,
    FailStep,
    NativeStep,
    ReferenceStepSpec,
    StorageSpec,
    TensorSpec,
)
from burnish.targets.constants import Constants
from burnish.targets.cpu.templates import template_of
from burnish.targets.steps import Parts, make_steps, place_storages

SCHEDULE = Schedule("loops", ())
LAUNCH = Launch(Loops((), (), ()), (), (), "add", ("/add",))
TENSOR = TensorSpec("x", DType.F32, (4,), 0)
NODE = ReferenceStep("/odd", "Odd", b"model", (TENSOR,), (TENSOR,))


def parts(*storages: Storage) -> Parts:
    return Parts(Constants(Program({}, (), (), storages, {}, ()), template_of))


def steps_of(found: Parts, *steps):
    """A native step says how many launches it stands for."""

    def native(group):
        first = len(found.launches)
        for launch in group:
            found.add_launch(launch, SCHEDULE)
        return [NativeStep(0, first, len(group))]

    return make_steps(steps, found, lambda step: isinstance(step, Launch), native)


def test_consecutive_launches_are_handed_over_together_and_the_others_are_the_runtimes():
    found = parts()
    made = steps_of(found, LAUNCH, LAUNCH, NODE, LAUNCH, Fail("If", "too long"))
    first, reference, last, fails = made
    assert (first, last) == (NativeStep(0, 0, 2), NativeStep(0, 3, 1))
    assert isinstance(reference, ReferenceStepSpec) and reference.launch == 2
    assert found.blobs == {reference.blob: b"model"} and fails == FailStep("If", "too long")
    assert [(x.name, x.kernel) for x in found.launches] == [
        ("add", "Loops"), ("add", "Loops"), ("/odd", REFERENCE), ("add", "Loops")
    ]  # fmt: skip


def test_the_sides_of_a_branch_are_made_alike():
    (made,) = steps_of(parts(), Branch("If", Binding(0), (NODE, LAUNCH), (LAUNCH, LAUNCH)))
    assert isinstance(made, BranchStep)
    assert made.then[1:] == (NativeStep(0, 1, 1),) and made.otherwise == (NativeStep(0, 2, 2),)


def test_launches_of_equal_kernels_differ_in_their_names_only():
    found = parts()
    other = Launch(LAUNCH.kernel, (), (), "sum", ("/sum", "/relu"))
    assert [found.add_launch(x, SCHEDULE) for x in (LAUNCH, other)] == [0, 1]
    first, second = found.launches
    assert (first.tactic, first.flops, first.task) == (second.tactic, second.flops, second.task)
    assert (second.name, second.nodes) == ("sum", ("/sum", "/relu"))


def test_a_storage_that_nothing_touches_takes_no_room():
    storages = tuple(Storage(n, kind, 64) for n, kind in enumerate(("input", "constant", "arena", "arena")))
    program = Program({}, (), (), storages, {}, ())
    packed = StorageSpec(4, "constant", 99, blob="weights/0")
    placed = place_storages(program, {3: 128}, {4: packed})
    assert placed == (
        StorageSpec(0, "input", 64), StorageSpec(1, "arena", 0), StorageSpec(2, "arena", 0),
        StorageSpec(3, "arena", 64, 128), packed,
    )  # fmt: skip
