"""Whatever the n-th call of the driver is, if it fails it fails with a code, and nothing is left behind."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.devices.cuda.failure import LOST, failure
from burnish.devices.null.processor import null_cuda
from burnish.errors import BurnishError, EnvironmentProblem, InternalError
from burnish.runtime import load
from tests.devices.cuda.plans import W, in_numpy, small_plan

X = np.linspace(-1, 1, 64, dtype=np.float32)
Y = 2 * X + W[:64]
CASES = [
    *(("allocate", n, "E520") for n in (1, 2, 3, 4)),
    *(("allocate_pinned", n, "E520") for n in (1, 2)),
    *(("load", n, "E531") for n in (1, 2)),
    ("function", 2, "E531"),
    ("upload", 1, "E524"),
    ("copy_in", 2, "E524"),
    ("copy_out", 1, "E524"),
    *(("launch", n, "E524") for n in (1, 2)),
    ("end_capture", 1, "E526"),
    ("launch_graph", 2, "E524"),
    ("synchronize", 1, "E524"),
]


@pytest.mark.parametrize(("what", "when", "code"), CASES, ids=lambda value: str(value))
def test_the_nth_call_fails_with_its_code_and_nothing_is_left(what: str, when: int, code: str):
    device, driver = null_cuda(on_launch=in_numpy, faults={what: when})
    with pytest.raises(BurnishError, match=code), load(small_plan(), device=device, contexts=1) as engine:
        for _ in range(4):
            assert np.array_equal(engine(x=X)["y"], Y)
    if code != "E524":  # of a lost gpu nothing can be given back
        assert not +driver.held


@pytest.mark.parametrize("what", ["allocate", "allocate_pinned"])
@pytest.mark.parametrize("when", [3, 4])
def test_after_a_lack_of_memory_the_engine_goes_on(what: str, when: int):
    device, driver = null_cuda(on_launch=in_numpy, faults={what: when - 2 * (what == "allocate_pinned")})
    with load(small_plan(), device=device, contexts=1) as engine:
        with pytest.raises(EnvironmentProblem, match="E520"):
            engine(x=X)
        for _ in range(3):
            assert np.array_equal(engine(x=X)["y"], Y)
    assert not +driver.held


def test_after_a_failed_capture_the_same_call_works():
    device, _ = null_cuda(on_launch=in_numpy, faults={"end_capture": 1})
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        context(x=X)
        with pytest.raises(InternalError, match="E526"):
            context(x=X)
        assert np.array_equal(context(x=X)["y"], Y)


def test_a_lost_gpu_fails_every_call_and_closing_is_quiet():
    device, _ = null_cuda(on_launch=in_numpy, faults={"launch": 3})
    engine = load(small_plan(), device=device, contexts=1)
    engine(x=X)
    for _ in range(3):
        with pytest.raises(EnvironmentProblem, match="E524"):
            engine(x=X[:9])
    engine.close()


@pytest.mark.parametrize(
    ("number", "code"), [(2, "E520"), (3, "E836"), (700, "E524"), (200, "E531"), (209, "E531"), (1, "E526")]
)
def test_each_answer_of_the_driver_has_its_code(number: int, code: str):
    error = failure(number, "CUDA_ERROR_X", "launch a kernel", "cuda:1")
    assert error.code == code and error.hint
    assert code == "E836" or "launch a kernel" in str(error)
    assert (code == "E524") == (number in LOST)


def test_launch_by_launch_a_failure_has_a_name(monkeypatch: pytest.MonkeyPatch):
    from burnish.devices.cuda import session
    from burnish.settings import Settings

    monkeypatch.setattr(session, "settings", lambda: Settings(debug=2))
    device, _ = null_cuda(on_launch=in_numpy, faults={"synchronize": 4})
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        assert np.array_equal(context(x=X)["y"], Y)
        with pytest.raises(EnvironmentProblem, match="E524") as caught:
            context(x=X)
    assert caught.value.where == "launch 0, 'double', Loops: by hand"
