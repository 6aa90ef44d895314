"""Bytes in the GPU's assembly: every architecture takes it, in blocks of any size. What it computes: test_codes.py."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, axis, binary, load
from burnish.target import ARCHITECTURES, parse_target
from burnish.targets.cuda.compiler.compile import compile_one
from burnish.targets.cuda.expressions import arithmetic, packed_bytes
from burnish.targets.cuda.loops import template as loops
from burnish.targets.cuda.text import KernelText
from tests.targets.cuda.interpret import interpret

pytest.importorskip("triton")
HOPPER = parse_target("cuda:sm_90a")


@pytest.mark.parametrize("size", [1, 128, 1024])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_blocks_of_one_of_few_and_of_many_elements_compile_for(architecture: str, size: int):
    target = parse_target(f"cuda:{architecture}")
    text = KernelText([Slot(DType.I8, (size,), (1,)), Slot(DType.U8, (size,), (1,))], target)
    at = text.let("at", f"tl.arange(0, {size})")
    code = text.let("code", f"tl.load({text.pointer(0)} + {at})")
    number = text.let("number", packed_bytes.number_of(text, code, "int8", 3))
    stored = text.let("stored", packed_bytes.byte_of(text, DType.U8, number, "tl.full([], 7, tl.int32)"))
    again = text.let("again", packed_bytes.times(text, stored, "0.5"))
    byte = text.let("byte", packed_bytes.byte_of(text, DType.U8, again, ""))
    larger = arithmetic.binary(text, "max", DType.U8, byte, stored)
    text.line(f"tl.store({text.pointer(1)} + {at}, {larger})")
    cubin = compile_one(text.source((1, 1, 1), warps=4, stages=1), target)
    assert cubin.content


@pytest.mark.parametrize("dtype", [DType.U8, DType.I8])
@pytest.mark.parametrize("op", ["max", "min"])
@pytest.mark.parametrize("size", [8, 65536])
def test_the_extreme_of_every_two_bytes(op: str, dtype: DType, size: int):
    every = np.arange(256, dtype=np.uint8).view(dtype.numpy)
    x, y = (np.ascontiguousarray(a).reshape(-1)[:size] for a in np.meshgrid(every, every[::-1]))
    i = Axis("i0", size)
    value = binary(op, *(load(n, dtype, [axis(i)]) for n in (0, 1)))
    slots = tuple(Slot(dtype, (size,), (1,)) for _ in range(3))
    kernel = Loops(slots, (i,), (Store(2, (axis(i),), value),))
    source = loops.emit(kernel, loops.schedules(kernel, HOPPER, {})[0], HOPPER)
    assert "16x2" in source.text
    found = np.zeros(size, dtype.numpy)
    interpret(source, {0: x, 1: y, 2: found}, written={2})
    np.testing.assert_array_equal(found, (np.maximum if op == "max" else np.minimum)(x, y))


def test_older_chips_compare_byte_by_byte():
    text = KernelText([], parse_target("cuda:sm_80"))
    assert arithmetic.binary(text, "max", DType.U8, "x", "y") == "tl.maximum(x, y)"
