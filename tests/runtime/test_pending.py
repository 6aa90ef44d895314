"""pending.py: work that a context was given, and whose end the caller awaits."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.devices.null.processor import null_cuda
from burnish.errors import EnvironmentProblem, UserError
from burnish.runtime import load
from tests.devices.cuda.plans import W, in_numpy, small_plan
from tests.targets.cpu.programs import Maker

X = np.linspace(-1, 1, 64, dtype=np.float32)
Y = 2 * X + W[:64]


def test_the_host_waits_when_it_is_told_to():
    device, driver = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        pending = context.enqueue(x=X)
        assert driver.counts["synchronize"] == 0
        found = pending.wait()["y"]
        assert np.array_equal(found, Y) and driver.counts["synchronize"] == 1
        assert pending.wait()["y"] is found and driver.counts["synchronize"] == 1


def test_inputs_may_change_once_they_are_handed_over():
    device, _ = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        x = X.copy()
        pending = context.enqueue(x=x)
        x[:] = 0
        assert np.array_equal(pending.wait()["y"], Y)


def test_the_next_call_of_the_context_finishes_the_one_before():
    device, _ = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        first, second = context.enqueue(x=X), context.enqueue(x=-X)
        assert np.array_equal(first.outputs["y"], Y), "complete, though nobody waited"
        assert np.array_equal(context(x=X[:3])["y"], Y[:3])
        assert np.array_equal(second.wait()["y"], W[:64] - 2 * X)


def test_two_contexts_have_work_under_way_at_once():
    device, driver = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine, engine.create_context() as a, engine.create_context() as b:
        first, second = a.enqueue(x=X), b.enqueue(x=-X)
        assert driver.counts["synchronize"] == 0
        assert np.array_equal(second.wait()["y"], W[:64] - 2 * X) and np.array_equal(first.wait()["y"], Y)
        assert len({call[1].stream for call in driver.calls if call[0] == "launch"}) == 2


def test_outputs_on_the_gpu_can_be_handed_to_a_stream_before_they_are_complete():
    device, driver = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        pending = context.enqueue({"x": X}, on_device=True)
        result = pending.outputs["y"]
        result.__dlpack__(stream=9)
        pending.join(11)
        assert [call for call in driver.calls if call[0] == "wait_for"] == [("wait_for", 9), ("wait_for", 11)]
        assert driver.counts["synchronize"] == 0
        assert np.array_equal(result.numpy(), Y) and driver.counts["synchronize_event"] == 1
        pending.wait()
        result.__dlpack__(stream=9)
        assert driver.counts["wait_for"] == 2, "it is complete: nothing to wait for"


def test_a_failure_on_the_device_comes_out_of_wait():
    device, _ = null_cuda(on_launch=in_numpy, faults={"synchronize": 1})
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        pending = context.enqueue(x=X)
        with pytest.raises(EnvironmentProblem, match="E524"):
            pending.wait()


def test_a_closed_context_refuses_and_its_pending_work_is_finished():
    device, driver = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine:
        context = engine.create_context()
        pending = context.enqueue(x=X)
        context.close()
        assert np.array_equal(pending.wait()["y"], Y)
        with pytest.raises(UserError, match="E511"):
            context.enqueue(x=X)
    assert not +driver.held


def test_on_a_cpu_the_work_is_done_at_once():
    m = Maker()
    m.pointwise(lambda a: a + a, m.input("x"), m.output("y"))
    with load(m.plan(), threads=1) as engine, engine.create_context() as context:
        pending = context.enqueue({"x": X}, on_device=True)
        pending.join(0)
        assert np.array_equal(pending.outputs["y"], 2 * X) and np.array_equal(pending.wait()["y"], 2 * X)
        assert len(context.time({"x": X}, 7)) == 7


def test_without_a_call_there_is_nothing_to_time():
    device, _ = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        with pytest.raises(UserError, match="E517"):
            context.time(None)
        context(x=X)
        assert context.time(None, 2) == [2.0, 2.0]
