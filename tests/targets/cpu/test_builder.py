"""Dims, shares and loops of the builder, seen through small kernels."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.dims import evaluate, floordiv, maximum, minimum, modulo, symbol
from burnish.targets.cpu.builder import I64, KernelBuilder
from burnish.targets.cpu.codegen import compile_module
from burnish.targets.cpu.loops.odometer import odometer
from tests.targets.cpu.run_kernel import TARGETS, Compiled

N, M = symbol("n"), symbol("m")
DIMS = [N * 3 - M, floordiv(N * M - 7, 4), modulo(M - N, 5), maximum(N, M), minimum(N * 2, M), floordiv(N, M), 12]


@pytest.mark.parametrize("dim", DIMS, ids=str)
@pytest.mark.parametrize("values", [(5, 3), (1, 9), (4, 4), (0, 6)])
def test_dims_are_computed_as_python_does(dim, values):
    def kernel(context):
        b = KernelBuilder(context, "kernel", 1)
        b.ir.store(b.dim(dim), b.slots[0], align=8)
        return b.finish()

    out = np.zeros(1, np.int64)
    assigned = dict(zip("nm", values))
    Compiled(kernel, TARGETS[0], ["n", "m"])([out], assigned)
    assert out[0] == evaluate(dim, assigned)


def test_a_zero_divisor_does_not_trap():
    def kernel(context):
        b = KernelBuilder(context, "kernel", 1)
        b.ir.store(b.dim(floordiv(N, M)), b.slots[0], align=8)
        return b.finish()

    Compiled(kernel, TARGETS[0], ["n", "m"])([np.zeros(1, np.int64)], {"n": 3, "m": 0})


def count_up(b, value):
    place = b.address(b.slots[0], value, I64)
    b.ir.store(b.ir.add(b.load(place, I64, 8), b.i64(1)), place, align=8)


@pytest.mark.parametrize("n", [0, 1, 5, 64, 100])
@pytest.mark.parametrize("block", [1, 16])
def test_shares_cover_everything_exactly_once(n, block):
    def kernel(context):
        b = KernelBuilder(context, "kernel", 1)
        with b.loop(*b.share(N, block)) as loop:
            count_up(b, loop.index)
        return b.finish()

    compiled = Compiled(kernel, TARGETS[0], ["n"])
    for threads in (1, 2, 3, 7):
        out = np.zeros(n + 1, np.int64)
        compiled([out], {"n": n}, threads)
        assert out.tolist() == [1] * n + [0]


@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 5, 1), (7,), (2, 1, 6), (3, 0)])
def test_an_odometer_visits_every_index_once_in_any_shares(shape):
    def kernel(context):
        b = KernelBuilder(context, "kernel", 1)
        lo, hi = b.share(int(np.prod(shape)))
        with odometer(b, lo, hi, shape) as place:
            flat = b.i64(0)
            for index, extent in zip(place, shape):
                flat = b.ir.add(b.ir.mul(flat, b.i64(extent)), index)
            count_up(b, flat)
        return b.finish()

    compiled = Compiled(kernel, TARGETS[0])
    for threads in (1, 2, 5):
        out = np.zeros(int(np.prod(shape)) + 1, np.int64)
        compiled([out], None, threads)
        assert out[:-1].tolist() == [1] * int(np.prod(shape)) and out[-1] == 0


def test_a_loop_carries_values_and_gives_their_starts_when_it_never_runs():
    def kernel(context):
        b = KernelBuilder(context, "kernel", 1)
        with b.loop(0, N, carried=(b.i64(10),)) as loop:
            loop.next = [b.ir.add(loop.carried[0], loop.index)]
        b.ir.store(loop.results[0], b.slots[0], align=8)
        return b.finish()

    compiled = Compiled(kernel, TARGETS[0], ["n"])
    for n, expected in ((0, 10), (1, 10), (5, 20)):
        out = np.zeros(1, np.int64)
        compiled([out], {"n": n})
        assert out[0] == expected


def test_code_depends_on_the_target_and_nothing_else():
    def kernel(context):
        b = KernelBuilder(context, "kernel", 1)
        with b.loop(0, N) as loop:
            count_up(b, loop.index)
        return b.finish()

    first, second = (Compiled(kernel, t, ["n"]) for t in (TARGETS[0], TARGETS[0]))
    assert first.code == second.code == compile_module(first.module, TARGETS[0])
