"""codes.py: instructions of the widening. Its numbers are tested in contraction/test_write_codes.py."""

from __future__ import annotations

from llvmlite import ir

from burnish.dtypes import DType
from burnish.target import Target
from burnish.targets.cpu.builder import KernelContext
from burnish.targets.cpu.contraction import template as contraction
from tests.targets.cpu.few_bit_products import product_of_codes

TABLE = "llvm.x86.avx512.permvar.sf.512"


def written(level: str, bits: int, zero: DType | None = None) -> str:
    target, kernel = Target("cpu", level), product_of_codes(1, 64, 64, bits=bits, zero=zero).kernel
    module = ir.Module("test")
    schedule = contraction.schedules(kernel, target)[0]
    contraction.emit(KernelContext(module, target, {}), kernel, schedule, "kernel")
    return str(module)


def test_sixteen_lanes_look_codes_up_and_need_no_mask():
    for bits in (2, 4):
        text = written("x86-64-v4", bits)
        assert TABLE in text and "sitofp" not in text
    assert TABLE not in written("x86-64-v4", 8)
    assert TABLE not in written("x86-64-v3", 4)


def test_symmetric_codes_are_signed_and_nothing_is_subtracted():
    assert "fsub" not in written("x86-64-v3", 4)
    assert "fsub" not in written("x86-64-v4", 4)
    assert "fsub" in written("x86-64-v4", 4, DType.U8)
