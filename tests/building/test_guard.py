"""guard.py: whatever a build does to a valid or broken model, only coded errors leave it. Fuzzed, with fixed seeds."""

from __future__ import annotations

import random

import onnx
import pytest

import burnish
from burnish.building.guard import coded
from burnish.errors import BurnishError, EnvironmentProblem, InternalError
from tests.building.break_model import SOURCES, mutate


def test_an_exception_that_nobody_foresaw_has_a_code_and_a_cause() -> None:
    with pytest.raises(InternalError, match=r"E901(.|\n)*ParseError") as caught:
        coded(onnx.parser.parse_model)("no model")
    assert isinstance(caught.value.__cause__, onnx.parser.ParseError)


def test_memory_that_runs_out_is_the_environments_problem() -> None:
    with pytest.raises(EnvironmentProblem, match="E803: out of memory") as caught:
        coded(bytearray)(1 << 60)
    assert isinstance(caught.value.__cause__, MemoryError)


def test_what_a_callers_own_function_raises_passes_through() -> None:
    class Enough(Exception):
        pass

    def stop(what: str, done: int, total: int) -> None:
        raise Enough

    with pytest.raises(Enough):
        burnish.build(onnx.parser.parse_model(SOURCES[0]), progress=stop)


def _profile(model: onnx.ModelProto) -> dict[str, tuple[tuple[int, ...], ...]]:
    """1, 2 and 3 on every open dimension."""
    dims = {v.name: v.type.tensor_type.shape.dim for v in model.graph.input}
    return {
        name: tuple(tuple(d.dim_value if not d.dim_param else size for d in shape) for size in (1, 2, 3))
        for name, shape in dims.items()
    }


def test_the_models_that_are_broken_below_are_valid() -> None:
    for text in SOURCES:
        onnx.checker.check_model(onnx.parser.parse_model(text), full_check=True)
        burnish.build(onnx.parser.parse_model(text))


@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(n, marks=pytest.mark.slow) for n in range(6, 80))])
def test_a_broken_model_is_refused_by_a_code_or_builds(seed: int) -> None:
    """Of internal errors none: each is a mistake that a mutation has found."""
    draw = random.Random(seed)
    for number in range(15):
        model = onnx.parser.parse_model(draw.choice(SOURCES))
        for _ in range(draw.choice([1, 1, 2, 3])):
            mutate(draw, model)
        try:
            burnish.build(model, profile=_profile(model) if draw.random() < 0.3 else None)
        except InternalError as error:
            raise AssertionError(f"seed {seed}, model {number}: {error}\n{onnx.printer.to_text(model)}") from error
        except BurnishError:
            pass
