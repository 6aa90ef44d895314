"""Attention of float8 codes on CUDA against float64, in Triton's interpreter; and compiled for every architecture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.kernels.schedule import Option, Schedule
from burnish.kernels.task import AttentionTask
from burnish.ops.language.definition import AttentionCodes
from burnish.target import ARCHITECTURES, parse_target
from burnish.targets.cuda.attention.template import legal, schedules
from tests.targets.cuda.attention.test_template import (
    HOPPER,
    PLAIN,
    TOLERANCE,
    Array,
    compiles,
    expected,
    memory,
    merged,
    run,
    task,
    view,
)


def of_codes(kernel: AttentionTask, weights: float, out: float = 0.0, dtype: DType = DType.F32) -> AttentionTask:
    """The same of float8 codes. weights, out: the scales of the softmax's codes and of the result's, 0 for none."""
    slots = [replace(s, dtype=DType.F8E4M3) for s in kernel.slots[:3]]
    result = replace(kernel.slots[-1], dtype=DType.F8E4M3 if out else dtype)
    codes = AttentionCodes(values=0.3, weights=weights, out=out, dtype=dtype)
    return replace(kernel, slots=(*slots, *kernel.slots[3:-1], result), codes=codes)


def as_codes(x: Array, scale: float) -> Array:
    """The nearest float8, ties to even, saturated; in float64."""
    return np.clip(x / scale, -448, 448).astype(ml_dtypes.float8_e4m3fn).astype(np.float64)


def expected_of_codes(kernel: AttentionTask, operands: Sequence[Array]) -> Array:
    """In float64, rounded where the kernel's codes say so."""
    q, k, v = (x.astype(np.float64) for x in operands[:3])
    eye = np.broadcast_to(np.eye(k.shape[2]), (*k.shape[:3], k.shape[2]))
    codes = kernel.codes
    assert codes is not None
    p = expected(kernel, [q, k, eye, *operands[3:]])
    if codes.weights:
        p = as_codes(p, codes.weights) * codes.weights
    out = codes.values * np.einsum("bhij,bhje->bhie", p, np.repeat(v, q.shape[1] // k.shape[1], 1))
    return as_codes(out, codes.out) if codes.out else out


def check_codes(kernel: AttentionTask, sizes: dict[str, int] | None = None, **options: Option) -> None:
    schedule = Schedule.of("attention", **{**PLAIN, "block_n": 32, **options})
    assert legal(kernel, schedule, HOPPER), schedule
    arrays = memory(kernel, sizes or {})
    want = expected_of_codes(kernel, [view(a, s, sizes or {}) for a, s in zip(arrays, kernel.slots)])
    got, codes = run(kernel, schedule, arrays, sizes or {}), kernel.codes
    assert codes is not None
    if codes.out:  # a sum next to a tie may become the next code; bf16 rounds a softmax by up to 1/512
        assert (got != want).mean() < (0.08 if codes.dtype is DType.BF16 else 0.02)
        np.testing.assert_allclose(got, want, rtol=0.13, atol=2.0**-9 * np.abs(want).max())
        return
    # sums and exponentials are f32: one code of the softmax in some thousand lies so near a tie that it is the next
    near = TOLERANCE[codes.dtype]
    away = np.abs(got - want) / max(1.0, np.abs(want).max())
    if codes.weights:
        assert (away > near).mean() < 0.02 and away.max() < 0.13 * codes.values
    else:
        assert away.max() <= near


SCALES = {"codes": 1 / 448, "coarse codes": 1 / 240, "codes that saturate": 0.1 / 448, "no codes": 0.0}


@pytest.mark.parametrize("weights", SCALES)
@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize("exact", ["none", "f16"])
def test_float8_in_a_merged_buffer_with_a_mask_row(weights: str, copies: bool, exact: str):
    exact = exact if SCALES[weights] else "tf32x3"
    check_codes(of_codes(merged(2, 2, 37, 64), SCALES[weights]), copies=copies, precision=exact)


@pytest.mark.parametrize("weights", [1 / 448, 0.0])
@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16])
def test_float8_into_narrow_floats_and_into_codes(weights: float, dtype: DType):
    kernel = task((2, 2), (19, 70), (16, 48))
    check_codes(of_codes(kernel, weights, 0.01, dtype))
    if dtype is DType.F16:
        check_codes(of_codes(kernel, weights, 0.0, dtype))


@pytest.mark.parametrize("options", [{}, {"packs": True}, {"block_m": 32, "block_n": 64}, {"splits": 2}])
@pytest.mark.parametrize("given", [{"causal": True}, {"softcap": 1.5}, {"scale": -0.7}, {}])
def test_float8_under_every_option(given: dict[str, Any], options: dict[str, Option]):
    kernel = task((4, 2), (37, 61) if not given.get("causal") else (61, 61), (24, 80), **given)
    twice = not options.get("splits")  # a row's total is known to one program alone
    check_codes(of_codes(kernel, 1 / 448 if twice else 0.0), precision="none" if twice else "ieee", **options)
    apart = Schedule.of("attention", **{**PLAIN, "block_n": 32, "splits": 2})
    assert not legal(of_codes(kernel, 1 / 448), apart, HOPPER)


def test_float8_of_symbolic_lengths():
    check_codes(of_codes(merged(symbol("b"), 2, symbol("s"), 32), 1 / 448), {"b": 2, "s": 50})


def test_float8_rows_whose_keys_are_all_masked_are_zero():
    kernel = of_codes(merged(1, 2, 9, 16), 1 / 448)
    arrays = memory(kernel, {})
    arrays[3][:] = -np.inf
    assert (run(kernel, Schedule.of("attention", **{**PLAIN, "block_n": 32}), arrays, {}) == 0).all()


OF_CODES = {
    "merged": of_codes(merged(1, 12, 128, 64), 1 / 448, 0.01),
    "symbolic": of_codes(merged(symbol("b"), 12, symbol("s"), 64), 0.0, dtype=DType.F16),
    "decode": of_codes(task((8, 2), (1, 300), (128, 128)), 0.0),
    "causal": of_codes(task((4, 2), (70, 70), (72, 80), causal=True), 1 / 448, dtype=DType.BF16),
}


@pytest.mark.parametrize("architecture", ["sm_89", "sm_90a"])
def test_float8_compiles(architecture: str):
    compiles(architecture, [OF_CODES["merged"]], 1)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [a for a in ARCHITECTURES if parse_target(f"cuda:{a}").capability >= 89])
def test_all_of_float8_compiles_from_sm_89_on(architecture: str):
    compiles(architecture, list(OF_CODES.values()), 2)


def test_float8_has_no_schedule_before_sm_89():
    assert schedules(OF_CODES["merged"], parse_target("cuda:sm_80"), {}) == []
