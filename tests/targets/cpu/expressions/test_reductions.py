"""Reductions of several rows in one loop (each alone: tests/targets/cpu/loops)."""

from __future__ import annotations

import pytest
from llvmlite import ir

from burnish.dtypes import DType
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, axis, load, reduce
from burnish.targets.cpu.builder import KernelContext
from burnish.targets.cpu.codegen import assembly
from burnish.targets.cpu.loops import template as loops
from tests.targets.cpu.loops.test_template import LEVELS, normal, run
from tests.targets.cpu.reference_loops import dense
from tests.targets.cpu.run_kernel import TARGETS

F32 = DType.F32


def depthwise(h, w, c, k):
    """A depthwise convolution, channels last, of an image with zeros around it in memory."""
    y, x, i, r, s = (Axis(*a) for a in zip("yxirs", (h, w, c, k, k)))
    tap = load(0, F32, [axis(y) + axis(r), axis(x) + axis(s), axis(i)]) * load(1, F32, [axis(r), axis(s), axis(i)])
    slots = (dense(F32, (h + k - 1, w + k - 1, c)), dense(F32, (k, k, c)), dense(F32, (h, w, c)))
    return Loops(slots, (y, x, i), (Store(2, (axis(y), axis(x), axis(i)), reduce("sum", (r, s), tap)),))


def test_rows_of_a_depthwise_convolution_share_what_they_load():
    target, kernel = TARGETS[2], depthwise(7, 14, 32, 7)
    schedule = loops.schedules(kernel, target)[0]
    assert schedule["rows"] == 7
    module = ir.Module("m")
    loops.emit(KernelContext(module, target, {}), kernel, schedule, "kernel").linkage = ""
    lines = assembly(module, target).splitlines()
    assert sum("vfmadd" in line for line in lines) == 7 * 7  # one row of the kernel
    assert sum("zmm" in line and "(%" in line and not line.rstrip().endswith(")") for line in lines) == 7 + 13


@pytest.mark.parametrize("target", LEVELS, ids=str)
@pytest.mark.parametrize("h, w, c, k", [(7, 14, 32, 7), (3, 9, 40, 5), (5, 21, 17, 3)])
def test_their_sums_are_right(target, h, w, c, k):
    kernel = depthwise(h, w, c, k)
    run(kernel, [normal(s.shape, seed=n) for n, s in enumerate(kernel.slots)], target, tolerance=1e-5)
