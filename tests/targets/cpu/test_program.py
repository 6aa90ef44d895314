"""program.py, segment.py, constants.py: whole programs against numpy in float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.kernels.arena import Arena
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Fail, Launch, Loops
from burnish.ops.language.expr import Expr, const, unary
from burnish.plan.manifest import BranchStep, NativeStep, ReferenceStepSpec
from burnish.runtime import load
from burnish.target import LEVELS, Target
from burnish.targets.cpu import program as program_module
from burnish.targets.cpu.program import CpuCompiler
from burnish.targets.cpu.templates import TEMPLATES
from tests.targets.cpu.programs import Maker, arena_of, pointwise, spread_out, worth_waking
from tests.targets.cpu.run_kernel import runnable

X = np.linspace(-1, 1, 64, dtype=np.float32)
V2 = Target("cpu", "x86-64-v2")


def double(x: Expr) -> Expr:
    return x + x


def barriers(maker: Maker, spread: bool = True) -> int:
    """How many barriers the segments of a program contain."""
    program = maker.program()
    emission = program_module.Emission.of(program, arena_of(program), V2, spread_out(program, V2) if spread else {})
    emission.variant()
    return str(emission.context.module).count('call void @"burnish.barrier"') - _barriers_of_an_empty_program()


def _barriers_of_an_empty_program() -> int:
    """The join of burnish_launch, and of each segment when it is profiled."""
    return 2


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_chain_of_kernels_computes_what_numpy_computes(level: str, threads: int):
    target = Target("cpu", level)
    if not runnable(target):
        pytest.skip(f"this machine has no {level}")
    m = Maker()
    x, w, t, y = m.input("x"), m.constant(X[::-1].copy()), m.storage("arena"), m.output("y")
    m.pointwise(lambda a, b: a * b, x, w, t)
    m.pointwise(lambda a: unary("exp", a), t, y)
    with load(m.plan([target], spread=True), threads=threads) as engine:
        result = engine(x=X)["y"]
    np.testing.assert_allclose(result, np.exp(X.astype(np.float64) * X[::-1]), rtol=4e-7)


def test_a_symbolic_dimension_is_an_argument_of_the_code():
    n = symbol("n")
    m = Maker(n, {"n": (0, 16, 100)})
    x, t, y = m.input("x"), m.storage("arena"), m.output("y")
    m.pointwise(double, x, t)
    m.pointwise(double, t, y)
    with load(m.plan(spread=True), threads=2) as engine:
        for size in (1, 7, 100, 0, 64):
            x_value = np.random.default_rng(size).standard_normal(size, np.float32)
            assert np.array_equal(engine(x=x_value)["y"], 4 * x_value)


def test_a_barrier_stands_where_the_next_launch_reads_what_this_one_wrote():
    m = Maker()
    x, t, y = m.input("x"), m.storage("arena"), m.output("y")
    m.pointwise(double, x, t)
    m.pointwise(double, t, y)
    assert barriers(m) == 1


def test_launches_that_touch_different_bytes_need_no_barrier():
    m = Maker()
    x = m.input("x")
    for name in "abc":
        m.pointwise(double, x, m.output(name))
    assert barriers(m) == 0


def test_launches_of_thread_0_alone_need_no_barrier():
    m = Maker()
    x, t, y = m.input("x"), m.storage("arena"), m.output("y")
    m.pointwise(double, x, t)
    m.pointwise(double, t, y)
    assert barriers(m, spread=False) == 0


def test_storages_that_share_bytes_of_the_arena_conflict():
    m = Maker()
    x, t, u, y = m.input("x"), m.storage("arena"), m.storage("arena"), m.output("y")
    m.pointwise(double, x, t)
    m.pointwise(double, x, u)
    program = m.program()
    m.pointwise(double, x, y)
    found = {}
    for name, offsets in (("apart", {t: 0, u: 256}), ("shared", {t: 0, u: 0})):
        emission = program_module.Emission.of(program, Arena(offsets, 512, 0), V2, spread_out(program, V2))
        emission.variant()
        found[name] = str(emission.context.module).count('call void @"burnish.barrier"')
    assert found["shared"] == found["apart"] + 1


def test_each_kernel_is_emitted_once():
    m = Maker()
    x, t, y = m.input("x"), m.storage("arena"), m.output("y")
    m.pointwise(double, x, t)
    m.pointwise(double, t, y)
    emission = program_module.Emission.of(m.program(), arena_of(m.program()), V2, {})
    emission.variant()
    assert len(emission.functions) == 1 and len(emission.parts.launches) == 2


def test_slots_are_noalias_unless_some_launch_overlaps_them():
    m = Maker()
    x, y = m.input("x"), m.output("y")
    m.pointwise(double, x, y)
    assert _noalias(m) == [True, True]
    m.pointwise(double, y, y)  # in place, the same kernel
    assert _noalias(m) == [False, False]


def _noalias(maker: Maker) -> list[bool]:
    emission = program_module.Emission.of(maker.program(), arena_of(maker.program()), V2, {})
    emission.variant()
    (function,) = emission.functions.values()
    return ["noalias" in a.attributes for a in function.args[:2]]


def test_equal_constants_are_stored_once():
    m = Maker()
    x, a, b, y = m.input("x"), m.constant(X), m.constant(X.copy()), m.output("y")
    m.pointwise(lambda p, q, r: p + q + r, x, a, b, y)
    variant, blobs = CpuCompiler(V2).emit_program(m.program(), arena_of(m.program()), {})
    assert len([name for name in blobs if name.startswith("weights/")]) == 1
    assert variant.storages[a].blob == variant.storages[b].blob


def test_a_packed_constant_gets_a_storage_of_its_own_and_the_raw_one_goes(monkeypatch: pytest.MonkeyPatch):
    def pack(kernel: object, schedule: Schedule, slot: int, array: np.ndarray) -> np.ndarray:
        return array * 2 if slot == 1 else array

    doubling = replace(TEMPLATES[Loops], pack=pack)
    monkeypatch.setitem(TEMPLATES, Loops, doubling)
    m = Maker()
    x, w, y = m.input("x"), m.constant(X), m.output("y")
    m.pointwise(lambda a, b: a + b, x, w, y)
    plan = m.plan()
    storages = plan.manifest.variants[0].storages
    assert [s.number for s in storages] == [0, 1, 2, 3]
    assert (storages[w].kind, storages[w].size) == ("arena", 0)
    assert np.array_equal(np.frombuffer(plan.blobs[storages[3].blob], np.float32), X * 2)
    with load(plan, threads=1) as engine:
        assert np.array_equal(engine(x=X)["y"], X * 3)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_if_with_native_sides_runs_natively(threads: int):
    m = Maker()
    c, x, t, y = m.input("c", (), DType.BOOL), m.input("x"), m.storage("arena"), m.output("y")
    m.pointwise(double, x, t)
    sides = pointwise(double, t, y, n=64), pointwise(lambda a: a * a, t, y, n=64)
    m.branch(c, [sides[0]], [sides[1]])
    m.pointwise(double, y, y)
    plan = m.plan()
    assert [type(s) for s in plan.manifest.variants[0].steps] == [NativeStep]
    with load(plan, threads=threads) as engine:
        assert np.array_equal(engine(c=np.array(True), x=X)["y"], X * 8)
        assert np.array_equal(engine(c=np.array(False), x=X)["y"], (2 * X) ** 2 * 2)


def test_the_condition_of_an_if_may_be_a_constant():
    m = Maker()
    c, x, y = m.constant(np.array(True)), m.input("x"), m.output("y")
    m.branch(c, [pointwise(double, x, y, n=64)], [pointwise(lambda a: a * a, x, y, n=64)])
    m.branch(c, [pointwise(double, y, y, n=64)], [Fail("never", "it is false")])
    with load(m.plan(), threads=2) as engine:
        assert np.array_equal(engine(x=X)["y"], X * 4)


@pytest.mark.parametrize(("spread", "serial"), [(True, []), (False, [0])])
def test_a_segment_of_thread_0_alone_wakes_nobody(spread: bool, serial: list[int]):
    m = Maker()
    m.pointwise(double, m.input("x"), m.output("y"))
    program = m.program()
    emission = program_module.Emission.of(program, arena_of(program), V2, spread_out(program, V2) if spread else {})
    with worth_waking(spread):
        emission.variant()
    assert emission.serial_segments == serial


def test_a_segment_that_would_save_less_than_a_wake_costs_is_thread_0s():
    found = []
    for n in (64, 1 << 20):
        m = Maker(n)
        m.pointwise(double, m.input("x"), m.output("y"))
        emission = program_module.Emission.of(m.program(), arena_of(m.program()), V2, spread_out(m.program(), V2))
        emission.variant()
        found.append(emission.serial_segments)
    assert found == [[0], []]


def test_a_reference_step_splits_segments_and_an_if_that_holds_one_is_left_to_the_runtime():
    m = Maker()
    c, x, t, u, y = m.input("c", (), DType.BOOL), m.input("x"), m.storage("arena"), m.storage("arena"), m.output("y")
    m.pointwise(double, x, t)
    m.reference("Neg", [m.ref("t", t)], [m.ref("u", u)])
    other = Maker()
    other.reference("Abs", [m.ref("u", u)], [m.ref("y", y)])
    m.branch(c, other.steps, [pointwise(double, u, y, n=64)])
    plan = m.plan()
    kinds = [type(s) for s in plan.manifest.variants[0].steps]
    assert kinds == [NativeStep, ReferenceStepSpec, BranchStep]
    with load(plan, threads=2) as engine:
        assert np.array_equal(engine(c=np.array(True), x=X)["y"], np.abs(X * 2))
        assert np.array_equal(engine(c=np.array(False), x=X)["y"], X * -4)


def test_two_builds_give_the_same_bytes():
    def build() -> dict[str, bytes]:
        m = Maker()
        x, w, y = m.input("x"), m.constant(X), m.output("y")
        m.pointwise(lambda a, b: unary("tanh", a) * b, x, w, y)
        return {
            name: bytes(blob)
            for name, blob in CpuCompiler(V2).emit_program(m.program(), arena_of(m.program()), {})[1].items()
        }

    assert build() == build()


def test_launches_say_how_much_work_they_are():
    m = Maker()
    x, y = m.input("x"), m.output("y")
    m.pointwise(lambda a: a * a + a, x, y)
    (launch,) = m.plan().manifest.variants[0].launches
    assert (launch.kernel, launch.flops, launch.bytes) == ("Loops", 128, 512)


def test_a_template_with_the_wrong_number_of_parameters_is_our_bug(monkeypatch: pytest.MonkeyPatch):
    m = Maker()
    launch = m.pointwise(double, m.input("x"), m.output("y"))
    right = TEMPLATES[Loops]
    wrong = replace(right, emit=lambda c, k, s, name: right.emit(c, _without_input(launch), s, name))
    monkeypatch.setitem(TEMPLATES, Loops, wrong)
    with pytest.raises(program_module.InternalError, match="E310"):
        m.plan()


def _without_input(launch: Launch) -> object:
    return pointwise(lambda: double(const(1.0, DType.F32)), launch.bindings[1].storage, n=64).kernel
