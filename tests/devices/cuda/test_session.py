"""session.py, launcher.py, staging.py: calls on a GPU, in order, on a driver that pretends."""

from __future__ import annotations

import gc
from dataclasses import replace

import numpy as np
import pytest

from burnish.devices.cuda.driver import Address, Integer
from burnish.devices.null.driver import NullDriver
from burnish.devices.null.processor import null_cuda
from burnish.runtime import load
from tests.devices.cuda.plans import W, in_numpy, small_plan

X = np.linspace(-1, 1, 64, dtype=np.float32)
Y = 2 * X + W[:64]


def names(driver: NullDriver, *wanted: str) -> list[str]:
    return [call[0] for call in driver.calls if call[0] in wanted]


def test_numpy_goes_in_and_comes_out():
    device, _ = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine:
        for n in (64, 3, 128, 64, 64):
            x = np.linspace(-1, 1, n, dtype=np.float32)
            assert np.array_equal(engine(x=x)["y"], 2 * x + W[:n])


def test_a_call_copies_in_launches_in_order_copies_out_and_waits_once():
    device, driver = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine:
        engine(x=X)
        driver.calls.clear()
        engine(x=X[:32])
    assert names(driver, "zero", "copy_in", "launch", "copy_out", "synchronize", "allocate", "allocate_pinned")[:6] == [
        "zero", "copy_in", "launch", "launch", "copy_out", "synchronize",
    ]  # fmt: skip
    launches = [call[1] for call in driver.calls if call[0] == "launch"]
    assert [(launch.function.entry, launch.grid, launch.overlaps) for launch in launches] == [
        ("double", (1, 1, 1), False),
        ("add", (1, 1, 1), True),
    ]
    *pointers, size = launches[1].parameters
    assert size == Integer(32) and all(isinstance(p, Address) for p in pointers)
    assert pointers[0] == launches[0].parameters[1], "the arena's tensor"
    assert launches[0].function.code == b"double" * 16


def test_weights_are_uploaded_once_for_all_contexts():
    device, driver = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine:
        with engine.create_context() as first, engine.create_context() as second:
            assert np.array_equal(first(x=X)["y"], second(x=X)["y"])
        assert driver.counts["upload"] == 1
        assert driver.counts["load"] == 2


def test_shapes_and_addresses_seen_twice_become_a_graph():
    device, driver = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        for _ in range(4):
            assert np.array_equal(context(x=X)["y"], Y)
        assert names(driver, "launch", "begin_capture", "end_capture", "launch_graph") == [
            "launch", "launch", "begin_capture", "end_capture", "launch_graph", "launch_graph", "launch_graph",
        ]  # fmt: skip
        context(x=X[:5])
        assert driver.counts["launch"] == 4, "other shapes: first one by one"
        assert np.array_equal(context(x=X)["y"], Y)
        assert driver.counts["end_capture"] == 1, "the first shapes' graph is still there"


def test_only_so_many_graphs_are_kept(monkeypatch: pytest.MonkeyPatch):
    from burnish.devices.cuda import session
    from burnish.settings import Settings

    monkeypatch.setattr(session, "settings", lambda: replace(Settings(), graphs=2))
    device, driver = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        for n in (1, 2, 3):
            for _ in range(2):
                context(x=X[:n])
        assert driver.held["graph"] == 2
        context(x=X[:2])
        assert (driver.counts["end_capture"], driver.counts["launch"]) == (3, 6)
        context(x=X[:1])
        assert driver.counts["launch"] == 8, "the least recently used made room"
        assert driver.counts["prepare"] == 6, "what its kernels need is still known"
    assert not +driver.held


def test_a_graph_stays_while_there_is_room():
    device, driver = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        for n in range(1, 17):
            context(x=X[:n])
            context(x=X[:n])
            assert driver.held["graph"] == n


def test_many_shapes_in_turn_do_not_cost_a_capture_each(monkeypatch: pytest.MonkeyPatch):
    from burnish.devices.cuda import session
    from burnish.settings import Settings

    monkeypatch.setattr(session, "settings", lambda: replace(Settings(), graphs=2))
    device, driver = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        for _ in range(30):
            for n in (1, 2, 3):
                assert np.array_equal(context(x=X[:n])["y"], 2 * X[:n] + W[:n])
    assert driver.counts["end_capture"] <= 15


def test_prepared_launches_are_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch):
    from burnish.devices.cuda import launcher

    monkeypatch.setattr(launcher, "MOST_PREPARED", 8)
    device, driver = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        for n in (*range(1, 129), *range(1, 129)):
            context(x=np.ones(n, np.float32))
        assert len(context._session._launcher._kept) <= 8 and driver.held["graph"] <= 8
    assert not +driver.held


def test_without_graphs_kernels_are_launched_one_by_one(monkeypatch: pytest.MonkeyPatch):
    from burnish.devices.cuda import session
    from burnish.settings import Settings

    monkeypatch.setattr(session, "settings", lambda: replace(Settings(), graphs=0))
    device, driver = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        for _ in range(3):
            assert np.array_equal(context(x=X)["y"], Y)
    assert (driver.counts["launch"], driver.counts["begin_capture"]) == (6, 0)


def test_halos_are_zero_again_when_other_shapes_are_bound():
    device, driver = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        for n in (8, 8, 9):
            context(x=X[:n])
    assert [call[1] for call in driver.calls if call[0] == "zero"] == [640, 64, 64]


def test_nothing_is_allocated_after_the_first_call():
    device, driver = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        context(x=X[:1])
        before = driver.counts["allocate"] + driver.counts["allocate_pinned"]
        for n in (128, 2, 64):
            context(x=np.zeros(n, np.float32))
        assert driver.counts["allocate"] + driver.counts["allocate_pinned"] == before


def test_everything_is_given_back():
    device, driver = null_cuda(on_launch=in_numpy)
    plan = small_plan()
    for _ in range(1000):
        with load(plan, device=device) as engine:
            engine(x=X)
            engine(x=X)
        assert not +driver.held
        driver.calls.clear()
    assert driver.held_bytes == 0 and driver.counts["allocate"] == driver.counts["free"] == 4000


def test_an_engine_that_is_forgotten_gives_everything_back_too():
    device, driver = null_cuda(on_launch=in_numpy)
    engine = load(small_plan(), device=device)
    for _ in range(3):
        engine(x=X)
    context = engine.create_context()
    pending = context.enqueue({"x": X}, on_device=True)
    result = pending.outputs["y"]
    del engine, context, pending
    gc.collect()
    assert driver.held["allocate"] == 1, "a result is the caller's"
    assert np.array_equal(result.numpy(), Y)
    del result
    gc.collect()
    assert not +driver.held and driver.held_bytes == 0
