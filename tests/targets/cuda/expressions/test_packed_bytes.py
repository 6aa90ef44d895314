"""Bytes in the GPU's assembly: every architecture takes it, in blocks of any size. What it computes: test_codes.py."""

from __future__ import annotations

import pytest

from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.target import ARCHITECTURES, parse_target
from burnish.targets.cuda.compiler.compile import compile_one
from burnish.targets.cuda.expressions import packed_bytes
from burnish.targets.cuda.text import KernelText

pytest.importorskip("triton")


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
    text.line(f"tl.store({text.pointer(1)} + {at}, {packed_bytes.byte_of(text, DType.U8, again, '')})")
    cubin = compile_one(text.source((1, 1, 1), warps=4, stages=1), target)
    assert cubin.content
