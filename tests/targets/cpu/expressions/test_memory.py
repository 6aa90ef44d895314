"""Look-ups in tables of 256 bytes, in every level's form."""

from __future__ import annotations

import numpy as np
import pytest
from llvmlite import ir
from onnx import TensorProto, helper, numpy_helper

import burnish
from burnish.devices.cpu.processor import supports
from burnish.dtypes import DType
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, axis, cast, load
from burnish.target import parse_target
from burnish.targets.cpu.builder import KernelContext
from burnish.targets.cpu.codegen import assembly
from burnish.targets.cpu.templates import template_of
from tests.targets.cpu.reference_loops import dense

LEVELS = ("cpu:x86-64-v2", "cpu:x86-64-v3", "cpu:x86-64-v4", "cpu:x86-64-v4+checked")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("code", [np.uint8, np.int8], ids=lambda t: t.__name__)
@pytest.mark.parametrize("element", [np.uint8, np.int8], ids=lambda t: t.__name__)
def test_every_code_finds_its_element_and_tails_too(level: str, code: type, element: type) -> None:
    if supports(parse_target(level)):  # what is missing
        pytest.skip(f"this machine has no {level}")
    random = np.random.default_rng(0)
    table = random.permutation(256).astype(np.uint8).view(element)
    codes = np.concatenate([np.arange(256), random.integers(0, 256, 31)]).astype(np.uint8).view(code)
    kind, other = (helper.np_dtype_to_tensor_dtype(np.dtype(t)) for t in (code, element))
    graph = helper.make_graph(
        [helper.make_node("Cast", ["x"], ["i"], to=TensorProto.INT32), helper.make_node("Gather", ["t", "i"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", kind, ["n"])],
        [helper.make_tensor_value_info("y", other, ["n"])],
        [numpy_helper.from_array(table, "t")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    plan = burnish.build(model, profile={"x": ((1,), (64,), (287,))}, target=level)
    with burnish.load(plan, threads=1) as engine:
        for size in (*range(1, 19), 33, 287):
            np.testing.assert_array_equal(engine({"x": codes[:size]})["y"], table[codes[:size].astype(np.int64)])


def test_avx512_looks_up_in_registers() -> None:
    target, i = parse_target("cpu:x86-64-v4"), Axis("i0", 160)
    code = cast(load(0, DType.U8, [axis(i)]), DType.I64)
    slots = (dense(DType.U8, (160,)), dense(DType.U8, (256,)), dense(DType.U8, (160,)))
    kernel = Loops(slots, (i,), (Store(2, (axis(i),), load(1, DType.U8, [code])),))
    context = KernelContext(ir.Module("m"), target, {})
    template = template_of(kernel)
    template.emit(context, kernel, template.schedules(kernel, target, {})[0], "kernel").linkage = "external"
    text = assembly(context.module, target)
    assert "vpermt2d" in text or "vpermi2d" in text
    assert "vpinsrb" not in text
