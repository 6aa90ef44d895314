"""Object code by level: its registers, its bytes, and no symbol from outside."""

from __future__ import annotations

import re

import pytest
from llvmlite import ir

from burnish.dtypes import DType
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, axis, binary, load, unary
from burnish.target import Target
from burnish.targets.cpu.builder import KernelContext
from burnish.targets.cpu.codegen import assembly, compile_module, features
from burnish.targets.cpu.loops import template as loops
from tests.targets.cpu.reference_loops import dense
from tests.targets.cpu.run_kernel import TARGETS, undefined_symbols


def module(target, op="exp", dtype=DType.F32, n=1000):
    i = Axis("i", n)
    x, y = load(0, dtype, [axis(i)]), load(1, dtype, [axis(i)])
    value = binary(op, x, y) if op in ("pow", "fmod", "div", "mod") else unary(op, x)
    kernel = Loops((dense(dtype, (n,)),) * 3, (i,), (Store(2, (axis(i),), value),))
    made = ir.Module("test")
    loops.emit(KernelContext(made, target, {}), kernel, loops.schedules(kernel, target)[0], "kernel").linkage = ""
    return made


@pytest.mark.parametrize("target, widest", list(zip(TARGETS, ["xmm", "ymm", "zmm"])), ids=str)
def test_a_level_uses_its_full_registers_and_no_wider_ones(target, widest):
    registers = set(re.findall(r"%([xyz]mm)\d", assembly(module(target), target)))
    assert max(registers) == widest


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize("op", ["tanh", "erf", "sin", "pow", "fmod", "round", "acosh"])
@pytest.mark.parametrize("dtype", [DType.F32, DType.F64, DType.F16])
def test_no_function_needs_a_library(op, target, dtype):
    assert undefined_symbols(compile_module(module(target, op, dtype), target)) == []


@pytest.mark.parametrize("dtype", [DType.I8, DType.I32, DType.I64, DType.U64])
def test_no_division_needs_a_library(dtype):
    assert undefined_symbols(compile_module(module(TARGETS[0], "mod", dtype), TARGETS[0])) == []


def test_copies_and_fills_stay_loops():
    i = Axis("i", 4096)
    copy = Store(1, (axis(i),), load(0, DType.F32, [axis(i)]))
    for target in TARGETS:
        kernel = Loops((dense(DType.F32, (4096,)),) * 2, (i,), (copy,))
        made = ir.Module("test")
        schedule = loops.schedules(kernel, target)[0]
        function = loops.emit(KernelContext(made, target, {}), kernel, schedule, "kernel")
        function.linkage = ""
        for slot in function.args[:2]:
            slot.add_attribute("noalias")  # as in a program: now LLVM could make it a call of memcpy
        assert undefined_symbols(compile_module(made, target)) == []


def test_equal_modules_give_equal_bytes():
    first, second = (compile_module(module(TARGETS[2]), TARGETS[2]) for _ in range(2))
    assert first == second


def test_extensions_become_features():
    assert "+avx512vnni" in features(Target("cpu", "x86-64-v4", ("vnni",)))
    assert "avx512vnni" not in features(TARGETS[2])
