"""context.py: calls, refusals, outputs, faults."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.devices.null.processor import Null
from burnish.dims import symbol
from burnish.errors import EnvironmentProblem
from burnish.plan import Plan
from burnish.plan.manifest import FillSpec
from burnish.runtime import Context, Engine, load
from tests.runtime.sum_plan import X, refused, sum_plan, with_variant
from tests.targets.cpu.programs import Maker


@pytest.fixture(scope="module")
def plan() -> Plan:
    return sum_plan()


@pytest.fixture
def engine(plan: Plan):
    with load(plan, threads=1) as engine:
        yield engine


# ---- calls --------------------------------------------------------------------------------------------------------


def test_inputs_are_keywords_or_a_mapping(plan: Plan):
    m = Maker()
    m.pointwise(lambda a: a * a, m.input("x"), m.output("y"))
    with load(m.plan(), threads=1) as engine:
        assert np.array_equal(engine(x=X)["y"], X * X)
        assert np.array_equal(engine({"x": X})["y"], X * X)


def test_any_name_works_in_a_mapping(engine: Engine):
    assert np.array_equal(engine({"x": X, "any name": X})["y"], X * 3)


def squares() -> Plan:
    m = Maker()
    m.pointwise(lambda a: a * a, m.input("x"), m.output("y"))
    return m.plan()


def test_the_only_input_needs_no_name(engine: Engine):
    with load(squares(), threads=1) as one, one.create_context() as context:
        assert np.array_equal(one(X)["y"], X * X) and np.array_equal(context(X)["y"], X * X)
        assert np.array_equal(context.enqueue(X).wait()["y"], X * X)
        assert len(context.profile(X, iterations=1)) == 1 and len(context.time(X, 2)) == 2
    refused("E502", lambda: engine(X), says="a ndarray was given without a name")


def test_inputs_come_in_one_way(engine: Engine):
    refused("E502", lambda: engine({"x": X}, **{"any name": X}), says="in two ways")
    with load(squares(), threads=1) as one:
        refused("E502", lambda: one(X, x=X), says="in two ways")
        refused("E502", lambda: one({"x": X}, y=X), says="'y'")


def test_out_is_a_mapping_by_name(engine: Engine):
    for out in (X, [X], "y"):
        error = refused("E502", lambda out=out: engine({"x": X, "any name": X}, out=out), says="not a mapping by name")
        assert error.hint == "out={'y': array}"
    assert np.array_equal(engine({"x": X, "any name": X}, out={})["y"], X * 3)


@pytest.mark.parametrize(
    "mistake",
    [
        lambda engine, context: engine.profile_shapes("largest"),
        lambda engine, context: engine.output_shapes([5]),
        lambda engine, context: context.profile({"x": X, "any name": X}, iterations=0),
        lambda engine, context: context.profile({"x": X, "any name": X}, iterations="10"),
        lambda engine, context: context.time({"x": X, "any name": X}, 0),
        lambda engine, context: context.time({"x": X, "any name": X}, "100"),
    ],
)
def test_other_arguments_of_a_wrong_kind_are_refused(engine: Engine, mistake):
    with engine.create_context() as context:
        refused("E605", lambda: mistake(engine, context))
        assert np.array_equal(context({"x": X, "any name": X})["y"], X * 3)


def test_every_result_is_an_array_of_its_own(engine: Engine):
    first = engine({"x": X, "any name": X})["y"]
    kept = first.copy()
    engine({"x": -X, "any name": X})
    assert np.array_equal(first, kept)


def test_a_result_is_written_into_the_callers_buffer(engine: Engine):
    mine = np.zeros(64, np.float32)
    assert engine({"x": X, "any name": X}, out={"y": mine})["y"] is mine
    assert np.array_equal(mine, X * 3)


def test_shapes_may_change_from_call_to_call(engine: Engine):
    for n in (1, 128, 3, 64, 3):
        x = np.arange(n, dtype=np.float32)
        assert np.array_equal(engine({"x": x, "any name": x})["y"], x * 3)


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


def test_pads_that_are_no_zeros_get_their_byte_when_shapes_are_bound():
    plan = with_variant(sum_plan(), fills=(FillSpec(128, 64, 200), FillSpec(192, 64, 7)))
    with load(plan, threads=1) as engine, engine.create_context() as context:
        x = np.ones(8, np.float32)
        context({"x": x, "any name": x})
        pads = context._session.arena.array(np.uint8, (256,))[128:]
        assert (pads == np.repeat([200, 7], 64)).all()


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


def test_after_a_refusal_the_engine_still_works(engine: Engine):
    refused("E505", lambda: engine({"x": np.zeros(200, np.float32), "any name": X}))
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


@pytest.mark.parametrize(("what", "code"), [("allocate", "E520"), ("launch", "E523")])
def test_after_a_fault_the_engine_goes_on(plan: Plan, what: str, code: str):
    device = Null(faults={what: 1})
    with load(plan, device=device, contexts=1) as engine:
        with pytest.raises(EnvironmentProblem, match=code):
            engine({"x": X, "any name": X})
        engine({"x": X, "any name": X})
    assert device.open_teams == 0


def test_contexts_close_themselves(plan: Plan):
    with load(plan, threads=1) as engine:
        with engine.create_context() as context:
            assert isinstance(context, Context)
        refused("E511", lambda: context({"x": X, "any name": X}))
