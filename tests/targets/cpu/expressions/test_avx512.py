"""Instructions of AVX-512 on values of any number of lanes."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.target import Target
from burnish.targets.cpu.builder import F32, KernelBuilder, vector_type
from burnish.targets.cpu.expressions import avx512
from burnish.targets.cpu.expressions.real import Real
from tests.targets.cpu.run_kernel import Compiled, runnable

V4 = Target("cpu", "x86-64-v4")
pytestmark = pytest.mark.skipif(not runnable(V4), reason="this machine has no AVX-512")


def _run(code, x, y):
    """code(x, y) on all elements as one value."""

    def emit(context):
        k = KernelBuilder(context, "kernel", 3)
        kind = vector_type(F32, x.size)
        values = [Real(k, k.load(slot, kind, 4)) for slot in k.slots[:2]]
        k.ir.store(code(*values).value, k.slots[2], align=4)
        return k.finish()

    out = np.full(x.size + 16, 77, np.float32)
    Compiled(emit, V4)([x, y, out])
    assert (out[x.size :] == 77).all()
    return out[: x.size]


@pytest.mark.parametrize("lanes", [1, 2, 3, 4, 5, 8, 16, 24, 32])
def test_each_lane_has_its_own_result(lanes):
    generator = np.random.default_rng(lanes)
    x, y = (generator.normal(0, 9, lanes).astype(np.float32) for _ in range(2))
    got = _run(lambda x, y: avx512.fraction(x), x, y)
    np.testing.assert_allclose(got, x - np.floor(x), rtol=0, atol=2.0**-24)  # rounded down
    np.testing.assert_array_equal(_run(avx512.times_power_of_two, x, y), np.ldexp(x, np.floor(y).astype(int)))
    got = _run(lambda x, y: avx512.magnitude_up_to(x, 7.5), x, y)
    np.testing.assert_array_equal(got, np.minimum(abs(x), np.float32(7.5)))


def test_what_infinities_and_nan_give():
    x = np.array([np.inf, -np.inf, np.nan, -0.0], np.float32)
    one = np.ones(4, np.float32)
    np.testing.assert_array_equal(_run(lambda x, y: avx512.fraction(x), x, one), [0, 0, np.nan, 0])
    np.testing.assert_array_equal(_run(lambda x, y: avx512.times_power_of_two(y, x), x, one), [np.inf, 0, np.nan, 1])
    np.testing.assert_array_equal(_run(lambda x, y: avx512.magnitude_up_to(x, 3.0), x, one), [3, 3, 3, 0])
