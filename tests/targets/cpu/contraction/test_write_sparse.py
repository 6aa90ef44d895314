"""Products of weights kept without their zeros: against float64, and bit for bit against the same with their zeros."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from burnish.dims import evaluate
from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.target import Target
from burnish.targets.cpu.contraction import template as contraction
from tests.targets.cpu.contractions import Array, Case, check, matmul
from tests.targets.cpu.run_kernel import on_machines

LEVEL = Target("cpu", "x86-64-v4")
pytestmark = [pytest.mark.parametrize("target", on_machines([LEVEL]))]


def sparse_product(m: int, n: int, k: int, share: float = 0.5, symbols: tuple[str, ...] = (), **options: Any) -> Case:
    """A product some of whose weights are 0, and one of each 50 is -0."""
    case = matmul(m, n, k, symbols=symbols, **options)
    dense, rng = case.b.copy(), np.random.default_rng(1)
    case.b[...] = np.where(rng.random(case.b.shape) < share, 0.0, case.b)
    case.b[rng.random(case.b.shape) < 0.02] = -0.0
    case.expected = case.expected + products(case, case.b.astype(np.float64) - dense)
    a, b, *others = case.kernel.slots
    zeros = max(1, int(16 * share))
    case.kernel = replace(case.kernel, slots=(a, replace(b, zeros=zeros), *others))
    return case


def products(case: Case, weights: Array) -> Array:
    a = case.kernel.slots[0]
    shape, strides = ([evaluate(d, case.sizes) for d in dims] for dims in (a.shape, a.strides))
    rows = np.lib.stride_tricks.as_strided(case.a, shape, [4 * s for s in strides])
    return rows.astype(np.float64) @ weights


def found_in(case: Case, form: str, target: Target, sizes: dict[str, int] | None = None) -> list[Schedule]:
    return [s for s in contraction.schedules(case.kernel, target, sizes or {}) if s["form"] == form]


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("share", [0.5, 0.9, 1.0])
def test_few_rows_of_any_width_and_depth(target: Target, m: int, share: float) -> None:
    for n, k in ((16, 7), (70, 64), (129, 33), (5, 2)):
        case = sparse_product(m, n, k, share)
        schedules = found_in(case, "sparse", target)
        assert schedules
        for schedule in schedules:
            check(case, schedule, target)


@pytest.mark.parametrize("m", [1, 2, 4])
def test_answers_are_those_of_dense_weights_bit_for_bit(target: Target, m: int) -> None:
    case = sparse_product(m, 100, 203)
    case.a[:4] = np.inf, -np.inf, np.nan, -0.0
    with np.errstate(invalid="ignore"):
        case.expected = products(case, case.b.astype(np.float64))
    assert np.isnan(case.expected).any()
    sparse, dense = (check(case, found_in(case, form, target)[0], target, (2,)) for form in ("sparse", "tile"))
    np.testing.assert_array_equal(np.asarray(sparse).view(np.int64), np.asarray(dense).view(np.int64))


def test_one_kernel_for_any_number_of_rows(target: Target) -> None:
    schedule = None
    for m in (1, 2, 3, 4, 5, 8, 9, 10, 14, 33):
        case = sparse_product(m, 50, 24, symbols=("m",))
        schedule = schedule or found_in(case, "sparse", target, {"m": 2})[0]
        check(case, schedule, target, (1, 2))


def test_a_product_for_each_of_several_weights(target: Target) -> None:
    case = sparse_product(3, 40, 20, batch=3, shared_b=False)
    check(case, found_in(case, "sparse", target)[0], target)


def test_an_epilogue_and_rows_apart(target: Target) -> None:
    case = sparse_product(3, 40, 20, a_pad=5, out_pad=3)
    check(case, found_in(case, "sparse", target)[0], target)


def test_only_a_kernel_of_the_right_kind_and_level_is_legal(target: Target) -> None:
    case = sparse_product(2, 40, 20)
    schedule = found_in(case, "sparse", target)[0]
    options = dict(schedule.options)
    assert contraction.legal(case.kernel, schedule, target)
    assert not contraction.legal(case.kernel, schedule, Target("cpu", "x86-64-v3"))
    assert not found_in(case, "sparse", Target("cpu", "x86-64-v3"))
    for change in ({"lanes": 8}, {"rows": 16}, {"fold": True}, {"spread": 2}, {"block": 1}, {"vectors": 12}):
        assert not contraction.legal(case.kernel, Schedule.of("contraction", **{**options, **change}), target)
    a, b, *others = case.kernel.slots
    dense = replace(case.kernel, slots=(a, replace(b, zeros=0), *others))
    assert not contraction.legal(dense, schedule, target)
    halves = replace(case.kernel, slots=(replace(a, dtype=DType.BF16), replace(b, dtype=DType.BF16), *others))
    assert not contraction.legal(halves, schedule, target), "there are products of pairs"
    halves = replace(case.kernel, slots=(a, replace(b, dtype=DType.F16), *others))
    assert not contraction.legal(halves, schedule, target), "it was measured slower"


@pytest.mark.parametrize("m", [1, 3, "any"])
def test_bf16_is_widened_and_its_sums_are_those_of_the_narrow_form(target: Target, m: int | str) -> None:
    sizes, symbols = ({"m": 2}, ("m",)) if m == "any" else ({}, ())
    for count in (1, 2, 17) if m == "any" else (m,):
        case = sparse_product(int(count), 70, 33, 0.6, symbols, b_dtype=DType.BF16)
        sparse, narrow = (found_in(case, form, target, sizes)[0] for form in ("sparse", "narrow"))
        found, others = check(case, sparse, target, (2,)), check(case, narrow, target, (2,))
        np.testing.assert_array_equal(found.view(np.int64), others.view(np.int64))
