"""Made-up inputs fit the plan, and are the same every time."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.plan import Plan
from burnish.plan.manifest import Manifest, SymbolRange, TensorSpec
from burnish.plan.sample_inputs import sample_inputs


def manifest_of(plan: Plan, *inputs: TensorSpec) -> Manifest:
    return dataclasses.replace(
        plan.manifest, inputs=inputs, symbols=(SymbolRange("n", 1, 2, 8), SymbolRange("m", 1, 3, 8))
    )


def test_opt_shapes_are_the_default_and_a_shared_dimension_is_shared(small_plan: Plan) -> None:
    n, m = symbol("n"), symbol("m")
    manifest = manifest_of(small_plan, TensorSpec("a", DType.F32, (n, m), 0), TensorSpec("b", DType.F32, (n, 4), 1))
    assert {k: v.shape for k, v in sample_inputs(manifest).items()} == {"a": (2, 3), "b": (2, 4)}
    assert {k: v.shape for k, v in sample_inputs(manifest, {"a": (7, 3)}).items()} == {"a": (7, 3), "b": (7, 4)}
    first, again, other = sample_inputs(manifest), sample_inputs(manifest), sample_inputs(manifest, seed=1)
    assert np.array_equal(first["a"], again["a"]) and not np.array_equal(first["a"], other["a"])


@pytest.mark.parametrize("shapes", [{"q": (1,)}, {"a": (1,)}, {"b": (2, 5)}, {"a": (7, 3), "b": (6, 4)}])
def test_shapes_that_do_not_fit_are_refused(small_plan: Plan, shapes: dict[str, tuple[int, ...]]) -> None:
    n, m = symbol("n"), symbol("m")
    manifest = manifest_of(small_plan, TensorSpec("a", DType.F32, (n, m), 0), TensorSpec("b", DType.F32, (n, 4), 1))
    with pytest.raises(UserError, match="E611"):
        sample_inputs(manifest, shapes)


@pytest.mark.parametrize("dtype", DType)
def test_every_type_has_values(small_plan: Plan, dtype: DType) -> None:
    array = sample_inputs(manifest_of(small_plan, TensorSpec("x", dtype, (50,), 0)))["x"]
    assert (array.dtype, array.shape) == (dtype.numpy, (50,))
    assert len({str(value) for value in array}) > 1


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("attention_mask", 1, 1), ("lengths", 1, 1), ("token_type_ids", 0, 1), ("input_ids", 0, 9)],
)
def test_integers_suit_their_names(small_plan: Plan, name: str, low: int, high: int) -> None:
    array = sample_inputs(manifest_of(small_plan, TensorSpec(name, DType.I64, (500,), 0)))[name]
    assert (array.min(), array.max()) == (low, high)
