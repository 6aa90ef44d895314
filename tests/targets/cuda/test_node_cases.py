"""ONNX's own node tests, lowered for a GPU: every Loops kernel runs in Triton's interpreter, the rest by numpy.

Which cases launch such kernels is recorded (tests/data/native.json); a case of attention, of a recurrence, or of sizes
that data decides is left out, since the harness has none of the three. A case of many kinds of kernels runs always;
all of them, each under another of its schedules, with `-m slow`.
"""

from __future__ import annotations

import random
import zlib

import pytest

from tests.native import cases_where
from tests.node_cases import with_constant_arguments
from tests.targets.cuda.run_program import run_model

ALWAYS = {
    "ArgMax", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "ConvTranspose", "CumSum",
    "DepthToSpace", "DequantizeLinear", "Einsum", "Equal", "Erf", "Expand", "Gather", "GatherElements", "GatherND",
    "Gelu", "GlobalMaxPool", "GroupNormalization", "HardSwish", "InstanceNormalization", "LRN", "LayerNormalization",
    "LogSoftmax", "Mod", "MaxPool", "Mish", "OneHot", "Pad", "Pow", "PRelu", "QuantizeLinear", "RMSNormalization",
    "ReduceL2", "ReduceLogSumExp", "Resize", "RotaryEmbedding", "ScatterElements", "Slice", "Softmax", "SpaceToDepth",
    "Split", "Tile", "Transpose", "Trilu", "Where",
}  # fmt: skip

DEFECTS = dict.fromkeys(
    ("test_resize_tf_crop_and_resize", "test_resize_tf_crop_and_resize_extrapolation_value"),
    "a condition on numbers that are loaded, which the interpreter cannot join with a mask",
)


def _runs(answer):
    kinds = set(answer.split("+"))
    return "Loops" in kinds and kinds <= {"Loops", "Contraction"}


def _parameters():
    seen = set()
    for case in cases_where("cuda", _runs):
        now = case.operator in ALWAYS and case.operator not in seen
        marks = [] if now else [pytest.mark.slow]
        if case.name in DEFECTS:
            marks.append(pytest.mark.xfail(strict=True, reason=DEFECTS[case.name]))
        yield pytest.param(case, id=case.name, marks=marks)
        seen.add(case.operator)


@pytest.mark.parametrize("case", list(_parameters()))
def test_interpreted_loops_give_onnx_expected_output(case):
    model, inputs = with_constant_arguments(case)
    pick = random.Random(zlib.crc32(case.name.encode()))
    shapes = {name: x.shape for name, x in inputs.items()}
    outputs, ran = run_model(model, inputs, lambda found: pick.choice([found[0], *found[:16]]), shapes=shapes)
    assert ran, "no Loops kernel ran"
    case.check(outputs)


def test_every_operator_that_is_to_run_always_does():
    assert {case.operator for case in cases_where("cuda", _runs)} >= ALWAYS
