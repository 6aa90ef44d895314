"""context.py and engine.py: calls, refusals, outputs, concurrent callers."""

from __future__ import annotations

import dataclasses
import gc
import os
import threading
import time

import numpy as np
import pytest

from burnish.devices.null.processor import Null
from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.errors import BurnishError, EnvironmentProblem, UserError
from burnish.plan import Plan, read, to_bytes
from burnish.runtime import Context, Engine, load
from burnish.runtime import engine as engine_module
from burnish.settings import Settings
from burnish.target import Target
from tests.targets.cpu.programs import Maker

X = np.linspace(-1, 1, 64, dtype=np.float32)


def sum_plan(targets: tuple[Target, ...] = (), spread: bool = False) -> Plan:
    """y = x + 2 * other, for vectors of 1 to 128 elements."""
    n = symbol("n")
    m = Maker(n, {"n": (1, 64, 128)})
    x, other, t, y = m.input("x"), m.input("any name"), m.storage("arena"), m.output("y")
    m.pointwise(lambda a: a + a, other, t)
    m.pointwise(lambda a, b: a + b, x, t, y)
    return m.plan(targets, spread)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return sum_plan()


@pytest.fixture
def engine(plan: Plan):
    with load(plan, threads=1) as engine:
        yield engine


def with_variant(plan: Plan, **changes: object) -> Plan:
    variant = dataclasses.replace(plan.manifest.variants[0], **changes)
    return dataclasses.replace(plan, manifest=dataclasses.replace(plan.manifest, variants=(variant,)))


def refused(code: str, call, *, says: str = "") -> BurnishError:
    with pytest.raises(UserError) as caught:
        call()
    assert caught.value.code == code
    assert says in str(caught.value)
    return caught.value


# ---- calls --------------------------------------------------------------------------------------------------------


def test_inputs_are_keywords_or_a_mapping(plan: Plan):
    m = Maker()
    m.pointwise(lambda a: a * a, m.input("x"), m.output("y"))
    with load(m.plan(), threads=1) as engine:
        assert np.array_equal(engine(x=X)["y"], X * X)
        assert np.array_equal(engine({"x": X})["y"], X * X)


def test_any_name_works_in_a_mapping(engine: Engine):
    assert np.array_equal(engine({"x": X, "any name": X})["y"], X * 3)


def test_every_result_is_an_array_of_its_own(engine: Engine):
    first = engine({"x": X, "any name": X})["y"]
    kept = first.copy()
    engine({"x": -X, "any name": X})
    assert np.array_equal(first, kept)


def test_a_result_is_written_into_the_callers_buffer(engine: Engine):
    mine = np.zeros(64, np.float32)
    assert engine({"x": X, "any name": X}, out={"y": mine})["y"] is mine
    assert np.array_equal(mine, X * 3)


def test_a_plan_runs_from_its_file(tmp_path, plan: Plan):
    plan.save(tmp_path / "sum.plan")
    for source in (tmp_path / "sum.plan", str(tmp_path / "sum.plan"), to_bytes(plan), read(to_bytes(plan))):
        with load(source, threads=2) as engine:
            assert np.array_equal(engine({"x": X, "any name": X})["y"], X * 3)


def test_shapes_may_change_from_call_to_call(engine: Engine):
    for n in (1, 128, 3, 64, 3):
        x = np.arange(n, dtype=np.float32)
        assert np.array_equal(engine({"x": x, "any name": x})["y"], x * 3)


def test_the_shapes_of_the_profile_and_of_outputs_can_be_asked(engine: Engine):
    assert engine.profile_shapes("max") == {"x": (128,), "any name": (128,)}
    assert engine.output_shapes({"x": (5,), "any name": (5,)}) == {"y": (5,)}
    assert [t.name for t in (*engine.inputs, *engine.outputs)] == ["x", "any name", "y"]


def test_an_empty_input_is_allowed_if_the_profile_allows_it():
    m = Maker(symbol("n"), {"n": (0, 1, 9)})
    m.pointwise(lambda a: a + a, m.input("x"), m.output("y"))
    with load(m.plan(), threads=2) as engine:
        assert engine(x=np.empty(0, np.float32))["y"].shape == (0,)


def test_the_same_tensor_may_be_two_outputs_and_a_constant_may_be_one():
    m = Maker()
    y = m.output("y")
    m.pointwise(lambda a: a + a, m.input("x"), y)
    m.outputs += [m.ref("again", y), m.ref("fixed", m.constant(X))]
    with load(m.plan(), threads=1) as engine:
        found = engine(x=X)
    assert list(found) == ["y", "again", "fixed"]
    assert np.array_equal(found["again"], X * 2) and not np.shares_memory(found["again"], found["y"])
    assert np.array_equal(found["fixed"], X)
    found["fixed"][:] = 0  # the caller's own copy


def test_halos_are_zero_again_when_other_shapes_are_bound():
    with load(with_variant(sum_plan(), zero_bytes=256), threads=1) as engine, engine.create_context() as context:
        halo = context._session.arena.array(np.uint8, (256,))[128:]
        is_dirty = []
        for n in (8, 8, 9):
            x = np.ones(n, np.float32)
            halo[:] = 7
            context({"x": x, "any name": x})
            is_dirty.append(bool(halo.any()))
    assert is_dirty == [False, True, False]


def test_threads_are_all_cores_unless_said_otherwise(plan: Plan, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine_module, "core_count", lambda: 96)
    assert load(plan).threads == 64
    assert load(plan, threads=3).threads == 3
    monkeypatch.setattr(engine_module, "settings", lambda: Settings(threads=5))
    assert load(plan).threads == 5


# ---- refusals -----------------------------------------------------------------------------------------------------


def test_an_unknown_name_is_refused_with_the_nearest_known_one(engine: Engine):
    refused("E502", lambda: engine({"x": X, "any nam": X}), says="did you mean 'any name'?")
    refused("E502", lambda: engine({"x": X, "any name": X, "z": X}), says="no input 'z'")


def test_a_missing_input_is_refused(engine: Engine):
    refused("E502", lambda: engine(x=X), says="'any name' not given")
    refused("E502", lambda: engine(), says="'x', 'any name' not given")


def test_another_dtype_is_refused_not_cast(engine: Engine):
    error = refused("E503", lambda: engine({"x": X.astype(np.float64), "any name": X}), says="float64")
    assert "astype(numpy.float32)" in error.hint
    refused("E503", lambda: engine({"x": X.astype(">f4"), "any name": X}), says="byte order")


def test_another_rank_is_refused(engine: Engine):
    refused("E504", lambda: engine({"x": X[None], "any name": X}), says="[1,64]")


def test_a_size_outside_the_profile_is_refused_by_input_axis_and_range(engine: Engine):
    large = np.zeros(129, np.float32)
    refused("E505", lambda: engine({"x": large, "any name": large}), says="axis 0 of input 'x' is 129")
    refused("E505", lambda: engine({"x": large[:0], "any name": large[:0]}), says="1 to 128")


def test_equal_symbols_that_disagree_are_refused(engine: Engine):
    error = refused("E506", lambda: engine({"x": X, "any name": X[:5]}), says="axis 0 of input 'any name' is 5")
    assert "input 'x', axis 0" in error.why


def test_what_is_no_array_is_refused(engine: Engine):
    refused("E507", lambda: engine({"x": [1.0], "any name": X}), says="list")


@pytest.mark.parametrize(
    ("buffer", "says"),
    [
        (np.zeros(64, np.float64), "float64"),
        (np.zeros(63, np.float32), "[63]"),
        (np.zeros(128, np.float32)[::2], "strided"),
        (np.broadcast_to(np.float32(0), (64,)), "strided"),
        (np.frombuffer(bytes(256), np.float32), "read-only"),
    ],
)
def test_an_output_buffer_that_does_not_fit_is_refused(engine: Engine, buffer: np.ndarray, says: str):
    refused("E508", lambda: engine({"x": X, "any name": X}, out={"y": buffer}), says=says)
    refused("E502", lambda: engine({"x": X, "any name": X}, out={"why": X}), says="no output 'why'")


def test_an_output_buffer_that_is_an_input_too_is_refused(engine: Engine):
    x = X.copy()
    refused("E508", lambda: engine({"x": x, "any name": X}, out={"y": x}), says="shares bytes")


def test_a_closed_engine_refuses(plan: Plan):
    engine = load(plan, threads=1)
    context = engine.create_context()
    context.close()
    refused("E511", lambda: context({"x": X, "any name": X}))
    engine({"x": X, "any name": X})
    engine.close()
    engine.close()
    refused("E511", lambda: engine({"x": X, "any name": X}))
    refused("E511", engine.create_context)


def test_after_a_refusal_the_engine_still_works(engine: Engine):
    refused("E505", lambda: engine({"x": np.zeros(200, np.float32), "any name": X}))
    assert np.array_equal(engine({"x": X, "any name": X})["y"], X * 3)


# ---- choosing code ------------------------------------------------------------------------------------------------


def test_the_best_variant_that_the_machine_has_is_chosen():
    plan = sum_plan((Target("cpu", "x86-64-v2"), Target("cpu", "x86-64-v3"), Target("cpu", "x86-64-v4", ("vnni",))))
    lacks = Target("cpu", "x86-64-v4").needed_flags[-1]
    assert load(plan, device=Null()).variant.target == "cpu:x86-64-v4+vnni"
    assert load(plan, device=Null(lacks=("avx512_vnni",))).variant.target == "cpu:x86-64-v3"
    assert load(plan, device=Null(lacks=(lacks,))).variant.target == "cpu:x86-64-v3"
    assert load(plan, device=Null(lacks=("avx2",))).variant.target == "cpu:x86-64-v2"


def test_a_machine_without_what_every_variant_needs_is_refused_with_the_list():
    plan = sum_plan((Target("cpu", "x86-64-v3"),))
    with pytest.raises(EnvironmentProblem) as caught:
        load(plan, device=Null(lacks=("avx2", "fma")))
    assert caught.value.code == "E501"
    assert caught.value.why == "cpu:x86-64-v3 needs avx2, fma"


def test_a_plan_for_another_kind_of_device_is_refused(plan: Plan):
    with pytest.raises(EnvironmentProblem, match="cuda:sm_90a needs a cuda device"):
        load(with_variant(plan, target="cuda:sm_90a"))


# ---- many callers -------------------------------------------------------------------------------------------------


def test_callers_in_many_threads_get_their_own_answers():
    errors: list[BaseException] = []

    def call(seed: int) -> None:
        x = np.random.default_rng(seed).standard_normal(64 + seed, np.float32)
        try:
            for _ in range(30):
                assert np.array_equal(engine({"x": x, "any name": x})["y"], x + (x + x))
        except BaseException as error:
            errors.append(error)

    with load(sum_plan(spread=True), threads=2, contexts=3) as engine:
        callers = [threading.Thread(target=call, args=(seed,)) for seed in range(8)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert engine._made <= 3
    assert not errors


def test_a_context_is_for_one_caller_at_a_time(plan: Plan):
    inside, go_on = threading.Event(), threading.Event()

    def wait(*_: int) -> None:
        inside.set()
        go_on.wait(5)

    with load(plan, device=Null(on_launch=wait)) as engine, engine.create_context() as context:
        other = threading.Thread(target=context, args=({"x": X, "any name": X},))
        other.start()
        inside.wait(5)
        try:
            refused("E510", lambda: context({"x": X, "any name": X}))
        finally:
            go_on.set()
            other.join()


def test_closing_an_engine_wakes_those_who_wait_for_a_context(plan: Plan):
    inside, go_on = threading.Event(), threading.Event()
    found: list[str] = []

    def wait(*_: int) -> None:
        inside.set()
        go_on.wait(5)

    def call() -> None:
        try:
            engine({"x": X, "any name": X})
            found.append("ran")
        except UserError as error:
            found.append(error.code)

    device = Null(on_launch=wait)
    engine = load(plan, device=device, contexts=1)
    callers = [threading.Thread(target=call) for _ in range(2)]
    callers[0].start()
    inside.wait(5)
    callers[1].start()
    while not engine._waiting:
        time.sleep(0.001)
    engine.close()
    go_on.set()
    for caller in callers:
        caller.join()
    assert sorted(found) == ["E511", "ran"]
    assert device.open_teams == 0


def test_a_thousand_engines_leave_no_thread_behind(plan: Plan):
    before = threading.active_count()
    for _ in range(1000):
        with load(plan, threads=2) as engine:
            engine({"x": X, "any name": X})
    gc.collect()
    assert threading.active_count() == before


def test_an_engine_works_in_a_forked_child():
    with load(sum_plan(spread=True), threads=2) as engine:
        engine({"x": X, "any name": X})
        child = os.fork()
        if not child:
            right = np.array_equal(engine({"x": X, "any name": X})["y"], X * 3)
            os._exit(0 if right else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert np.array_equal(engine({"x": X, "any name": X})["y"], X * 3)


# ---- faults -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "when", "code"), [("load", 1, "E830"), ("allocate", 1, "E520"), ("allocate", 2, "E520")]
)
def test_a_device_that_fails_fails_the_call_with_its_code(plan: Plan, what: str, when: int, code: str):
    device = Null(faults={what: when})
    with pytest.raises(EnvironmentProblem, match=code):
        load(plan, device=device, contexts=1)({"x": X, "any name": X})
    assert device.open_teams == 0


@pytest.mark.parametrize("what", ["allocate", "launch"])
def test_after_a_fault_the_engine_goes_on(plan: Plan, what: str):
    device = Null(faults={what: 1})
    with load(plan, device=device, contexts=1) as engine:
        with pytest.raises(EnvironmentProblem):
            engine({"x": X, "any name": X})
        engine({"x": X, "any name": X})
    assert device.open_teams == 0


def test_contexts_close_themselves(plan: Plan):
    with load(plan, threads=1) as engine:
        with engine.create_context() as context:
            assert isinstance(context, Context)
        refused("E511", lambda: context({"x": X, "any name": X}))


def test_dtypes_are_those_of_the_plan(engine: Engine):
    assert {t.dtype for t in engine.inputs} == {DType.F32}
