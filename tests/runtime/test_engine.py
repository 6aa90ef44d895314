"""engine.py: loading, what an engine says of itself, its contexts for concurrent callers."""

from __future__ import annotations

import dataclasses
import gc
import os
import threading
import time

import numpy as np
import pytest

from burnish.devices.null.processor import Null
from burnish.errors import EnvironmentProblem, UserError
from burnish.plan import Plan, read, to_bytes
from burnish.runtime import Engine, load
from burnish.runtime import engine as engine_module
from burnish.settings import Settings
from burnish.target import Target
from tests.runtime.sum_plan import X, refused, sum_plan, with_variant


@pytest.fixture(scope="module")
def plan() -> Plan:
    return sum_plan()


@pytest.fixture
def engine(plan: Plan):
    with load(plan, threads=1) as engine:
        yield engine


def test_an_engine_and_a_plan_are_one_line(plan: Plan, engine: Engine):
    assert repr(plan) == f"<burnish.Plan m: x f32[n], any name f32[n] -> y f32[n]; for {engine.variant.target}>"
    assert repr(engine) == f"<burnish.Engine m: x f32[n], any name f32[n] -> y f32[n]; {engine.variant.target} on cpu>"
    many = dataclasses.replace(plan.manifest, model_name="two\nlines", inputs=plan.manifest.inputs * 20)
    assert "two lines: x f32[n]" in repr(dataclasses.replace(plan, manifest=many))
    assert ", 36 more -> " in repr(dataclasses.replace(plan, manifest=many)) and "\n" not in repr(plan)


@pytest.mark.parametrize(
    ("code", "options"),
    [
        ("E605", {"threads": "2"}),
        ("E605", {"threads": -1}),
        ("E605", {"threads": 1.5}),
        ("E605", {"device": 0}),
        ("E605", {"contexts": "many"}),
        ("E605", {"contexts": -1}),
        ("E516", {"device": "tpu"}),
    ],
)
def test_an_option_of_load_of_a_wrong_kind_is_refused(plan: Plan, code: str, options: dict[str, object]):
    refused(code, lambda: load(plan, **options), says=str(next(iter(options.values()))))


@pytest.mark.parametrize("source", [5, None, X, ["a.plan"]])
def test_what_is_no_plan_is_refused(source: object):
    refused("E605", lambda: load(source), says="the plan is ")


def test_no_threads_and_zero_threads_are_all_cores(plan: Plan, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine_module, "core_count", lambda: 3)
    for threads in (None, 0):
        with load(plan, threads=threads) as engine:
            assert engine.threads == 3
    monkeypatch.setattr(engine_module, "core_count", lambda: 96)
    with load(plan) as engine:
        assert engine.threads == 64  # the most that a team has
    monkeypatch.setattr(engine_module, "settings", lambda: Settings(threads=2))
    for threads, wanted in ((None, 2), (0, 2), (1, 1)):
        with load(plan, threads=threads) as engine:
            assert engine.threads == wanted


def test_a_plan_runs_from_its_file(tmp_path, plan: Plan):
    plan.save(tmp_path / "sum.plan")
    for source in (tmp_path / "sum.plan", str(tmp_path / "sum.plan"), to_bytes(plan), read(to_bytes(plan))):
        with load(source, threads=2) as engine:
            assert np.array_equal(engine({"x": X, "any name": X})["y"], X * 3)


def test_the_shapes_of_the_profile_and_of_outputs_can_be_asked(engine: Engine):
    assert engine.profile_shapes("max") == {"x": (128,), "any name": (128,)}
    assert engine.output_shapes({"x": (5,), "any name": (5,)}) == {"y": (5,)}
    assert [t.name for t in (*engine.inputs, *engine.outputs)] == ["x", "any name", "y"]


def test_output_shapes_take_the_command_lines_form(engine: Engine):
    assert engine.output_shapes({"x": "5", "any name": [5]}) == {"y": (5,)}
    refused("E602", lambda: engine.output_shapes({"x": 5, "any name": (5,)}), says="input 'x'")


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


def test_dtypes_are_those_of_the_plan(engine: Engine):
    assert {t.dtype for t in engine.inputs} == {np.dtype(np.float32)}


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


def test_a_caller_waits_for_a_context_as_long_as_it_is_willing_to(plan: Plan):
    inside, go_on = threading.Event(), threading.Event()

    def wait(*_: int) -> None:
        inside.set()
        go_on.wait(5)

    inputs = {"x": X, "any name": X}
    with load(plan, device=Null(on_launch=wait), contexts=1) as engine:
        caller = threading.Thread(target=engine, args=(inputs,))
        caller.start()
        inside.wait(5)
        start = time.monotonic()
        with pytest.raises(EnvironmentProblem, match=r"E518: no context was free within 0.02 s"):
            engine(inputs, timeout_s=0.02)
        assert time.monotonic() - start >= 0.02
        refused("E605", lambda: engine(inputs, timeout_s="soon"))
        go_on.set()
        assert engine(inputs, timeout_s=5)["y"].shape == (64,)
        caller.join()


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
