"""Names, blocks, parameters and origins of a kernel's text."""

from __future__ import annotations

import ast

import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.target import parse_target
from burnish.targets.cuda.contraction import template as contraction
from burnish.targets.cuda.contraction.tile import Tile
from burnish.targets.cuda.loops import template as loops
from burnish.targets.cuda.source import Pointer, Size, Source, TensorMap, Workspace
from burnish.targets.cuda.text import Function, KernelText
from tests.targets.cuda.contraction_tasks import matmul
from tests.targets.cuda.loops_tasks import softmax

HOPPER, AMPERE = parse_target("cuda:sm_90a"), parse_target("cuda:sm_80")
N = symbol("n")
VECTOR = Slot(DType.F16, (N,), (1,), 8)
TWICE = Function("twice", "\n@triton.jit\ndef twice(x):\n    return x + x\n")


def text_of(slots=(VECTOR, VECTOR), target=HOPPER):
    return KernelText(slots, target)


def split_product() -> Source:
    """A kernel in whose branches its rows and sums are written anew."""
    kernel = matmul(20, 40, 72, bias=True, residual=True, activation=True)
    schedule = Tile("load", 16, 32, 16, split=4, shared=True).schedule
    return contraction.emit(kernel, schedule, HOPPER)


def test_no_two_values_have_one_name():
    text = text_of()
    names = [text.let("row", "1"), text.let("row", "2"), text.name("row_1"), text.numbered("v"), text.numbered("v")]
    assert names == ["row", "row_1", "row_1_1", "v1", "v2"]
    assert text.lines == ["    row = 1", "    row_1 = 2"]


def test_a_value_cannot_take_the_name_of_a_parameter():
    text = text_of()
    assert (text.pointer(1), text.let("slot1", "0"), text.let("size0", "0")) == ("slot1", "slot1_1", "size0")
    assert text.number(N) == "size0_1"


def test_blocks_hold_the_lines_that_are_written_meanwhile():
    text = text_of()
    total = text.variable("total", "0")
    with text.loop(text.name("step"), "range(4)") as step, text.block(f"if {step} > 1"):
        text.add(total, step)
    text.assign(total, f"{total} * 2")
    assert text.lines == [
        "    total = 0",
        "    for step in range(4):",
        "        if step > 1:",
        "            total += step",
        "    total = total * 2",
    ]


def test_what_is_used_becomes_a_parameter_once_and_nothing_else_does():
    text = text_of(slots=[VECTOR] * 12)
    text.number(2 * N, DType.I64)
    text.workspace("counters", DType.I32, 8, zeroed=True)
    assert text.pointer(11) == text.pointer(11) == "slot11"
    text.tensor_map("map", 3, (N,), (1,), (64,))
    text.pointer(2)
    assert text.parameters() == (
        Pointer("slot2", 2, DType.F16, 8),
        TensorMap("map", 3, DType.F16, (N,), (1,), (64,)),
        Pointer("slot11", 11, DType.F16, 8),
        Workspace("counters", DType.I32, 8, zeroed=True),
        Size("size0", 2 * N, DType.I64, 2),
    )
    assert [p.name for p in text.parameters(lambda p: p.name)] == ["counters", "map", "slot11", "slot2", "size0"]


def test_dimensions_are_literals_or_sizes_of_the_width_that_they_need():
    text = text_of()
    assert [text.number(n) for n in (0, 7, -3, N, N + 1, N)] == ["0", "7", "(-3)", "size0", "size1", "size0"]
    assert (text.number(N * N), text.count(N * N), text.count(N)) == ("size2", "size2.to(tl.int32)", "size0")
    assert [p.dtype for p in text.parameters()] == [DType.I32, DType.I32, DType.I64]


def test_a_function_stands_before_the_kernel_if_it_is_called():
    text = text_of()
    called = text.let("y", text.call(TWICE, text.call(TWICE, "1")))
    source = text.source((1, 1, 1), warps=4, stages=1)
    assert called == "y"
    assert source.text == (
        "@triton.jit\ndef twice(x):\n    return x + x\n\n@triton.jit\ndef kernel():\n    y = twice(twice(1))\n"
    )
    assert "twice" not in text_of().source((1, 1, 1), warps=4, stages=1).text


@pytest.mark.parametrize("target, waits", [(HOPPER, True), (AMPERE, False)], ids=["sm_90a", "sm_80"])
def test_only_kernels_that_overlap_wait_and_do_meanwhile_what_need_not(target, waits):
    text = text_of(target=target)
    text.wait(lambda: text.line("prefetch(slot0)"))
    want = ["    gdc_launch_dependents()", "    prefetch(slot0)", "    gdc_wait()"]
    assert text.lines == (want if waits else [])
    assert text.source((1, 1, 1), warps=4, stages=1).overlaps == waits


def test_each_line_says_which_function_of_a_template_wrote_it():
    source = split_product()
    lines = dict(zip(source.text.splitlines(), source.origins, strict=True))
    assert lines["@triton.jit"] == ""
    origins = {line.split("(")[0].split(" = ")[-1].strip(): origin for line, origin in lines.items()}
    assert origins["tl.dot"] == "burnish.targets.cuda.contraction.multiply.write_product"
    assert origins["tl.atomic_add"] == "burnish.targets.cuda.contraction.split_sum._write_leave"
    kernel = softmax(8, 1000)
    source = loops.emit(kernel, loops.schedules(kernel, HOPPER, {})[0], HOPPER)
    (exp, *_) = (origin for line, origin in zip(source.text.splitlines(), source.origins) if "tl.exp" in line)
    assert exp.startswith("burnish.targets.cuda.loops.")  # the template that asked for it, not what writes expressions
    assert all(source.origins[source.text.count("\n", 0, source.text.index("def kernel")) + 1 :])


def test_in_a_branch_no_name_gets_another_shape():
    *_, kernel = ast.parse(split_product().text).body
    targets = [target for n in ast.walk(kernel) if isinstance(n, ast.Assign) for target in n.targets]
    assigned = [target.id for target in targets if isinstance(target, ast.Name)]
    again = {name for name in assigned if assigned.count(name) > 1}
    assert again == {"acc", "seen", "todo"}  # of these the loops and branches carry on the value, in one shape
