"""Plain mistakes in calls of the public functions: every parameter with values of other kinds.

Whatever a function makes of them, it answers, or refuses with a code; no other exception leaves it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

import burnish
from burnish.errors import BurnishError, InternalError

TEXT = '<ir_version: 10, opset_import: ["" : 21]> m (float[n,2] x) => (float[n,2] y) { y = Relu(x) }'
X = np.ones((3, 2), np.float32)
WRONG: list[Any] = [
    -7, 2.5, float("nan"), "nonsense", b"bytes", True, [], [5], [None], {}, {"x": 5}, {"x": None}, {5: 5}, {"x": "x"},
    {"x": ((1, 2), "2x2")}, object(), np.ones(2), 1 << 80, ("x",), Path("nowhere"), {"x": (1 << 70, 2)}, "\0",
]  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("api") / "m.onnx"
    onnx.save(onnx.parser.parse_model(TEXT), path)
    return path


@pytest.fixture(scope="module")
def plan(model: Path) -> burnish.Plan:
    return burnish.build(model, profile={"x": ((1, 2), (3, 2), (4, 2))})


@pytest.fixture(scope="module")
def engine(plan: burnish.Plan) -> burnish.Engine:
    return burnish.load(plan, threads=1)


def sweep(call: Callable[..., object], good: Mapping[str, Any], names: list[str], wrong: list[Any] = WRONG) -> None:
    """Each parameter with each wrong value; the others are good."""
    found = []
    for name in names:
        for value in wrong:
            try:
                call(**{**good, name: value})
            except BurnishError as error:
                if isinstance(error, InternalError):
                    found.append(f"{name}={value!r:.40}: {error.what}")
            except Exception as error:
                found.append(f"{name}={value!r:.40}: {type(error).__name__}: {error}")
    assert found == []


def parameters(function: Callable[..., object], *without: str) -> list[str]:
    return [p for p in inspect.signature(function).parameters if p not in without]


def test_build_refuses_with_a_code(model: Path) -> None:
    names = parameters(burnish.build)
    assert len(names) >= 19
    sweep(burnish.build, {"source": model}, names)


def test_load_refuses_with_a_code(plan: burnish.Plan) -> None:
    sweep(burnish.load, {"source": plan, "threads": 1}, parameters(burnish.load))


def test_verify_refuses_with_a_code(model: Path, plan: burnish.Plan) -> None:
    good = {"model": model, "plan": plan, "threads": 1, "oracle": "reference"}
    sweep(burnish.verify, good, parameters(burnish.verify))


def test_bench_refuses_with_a_code(plan: burnish.Plan) -> None:
    """Every call would start processes; a peer that does not exist stops those that are good by then."""
    names = [*parameters(burnish.bench, "options", "more"), "threads", "device", "rounds", "runs", "block_ms", "layers"]
    sweep(burnish.bench, {"plan": plan, "against": ("nobody",)}, [*names, "shapes", "seed", "against"])


@pytest.mark.parametrize("inputs", [{"x": 5}, {"y": X}, {}, {"x": X, "z": X}])
def test_bench_refuses_inputs_with_a_code(plan: burnish.Plan, inputs: Mapping[str, Any]) -> None:
    if inputs:
        with pytest.raises(BurnishError, match=r"E50[27]"):
            burnish.bench(plan, inputs=inputs)


def test_calls_of_an_engine_refuse_with_a_code(engine: burnish.Engine) -> None:
    sweep(lambda inputs: engine(inputs), {}, ["inputs"])
    sweep(engine, {"x": X}, ["x", "out", "on_device", "timeout_s"])
    sweep(engine.output_shapes, {}, ["shapes"])
    sweep(engine.profile_shapes, {}, ["which"])
    assert engine(X)["y"].sum() == 6


def test_methods_of_a_context_refuse_with_a_code(engine: burnish.Engine) -> None:
    with engine.create_context() as context:
        sweep(lambda inputs: context(inputs), {}, ["inputs"])
        sweep(context, {"x": X}, ["x", "out", "on_device"])
        sweep(context.enqueue, {"x": X}, ["x", "out", "on_device"])
        sweep(context.output_shapes, {}, ["shapes"])
        few = [value for value in WRONG if not (isinstance(value, int) and value > 1000)]  # it would run so often
        sweep(context.profile, {"inputs": X}, ["inputs", "iterations"], few)
        sweep(context.time, {"inputs": X}, ["inputs", "repeats"], few)
        assert context(X)["y"].sum() == 6


def test_methods_of_a_plan_refuse_with_a_code(plan: burnish.Plan, tmp_path: Path) -> None:
    sweep(plan.save, {"path": tmp_path / "a.plan"}, ["key"])
    sweep(plan.save, {}, ["path"], [value for value in WRONG if not isinstance(value, str | Path)])
    sweep(plan.to_bytes, {}, ["key"])
