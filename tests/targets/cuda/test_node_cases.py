"""ONNX's own node tests, lowered for a GPU: every Loops kernel runs in Triton's interpreter, the rest by numpy.

Which cases launch such kernels is recorded (tests/data/native.json); a case of attention, of a recurrence, or of sizes
that data decides is left out, since the harness has none of the three. A case of many kinds of kernels runs always;
all of them, each under another of its schedules, with `-m slow`.
"""

from __future__ import annotations

import random
import zlib

import numpy as np
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


def _runs(answer):
    kinds = set(answer.split("+"))
    return "Loops" in kinds and kinds <= {"Loops", "Contraction"}


def _parameters():
    seen = set()
    for case in cases_where("cuda", _runs):
        now = case.operator in ALWAYS and case.operator not in seen
        yield pytest.param(case, id=case.name, marks=[] if now else [pytest.mark.slow])
        seen.add(case.operator)


@pytest.mark.parametrize("case", list(_parameters()))
def test_interpreted_loops_give_onnx_expected_output(case):
    model, inputs = with_constant_arguments(case)
    pick = random.Random(zlib.crc32(case.name.encode()))
    shapes = {name: x.shape for name, x in inputs.items()}
    outputs, ran = run_model(model, inputs, lambda found: pick.choice([found[0], *found[:16]]), shapes=shapes)
    assert ran, "no Loops kernel ran"
    for name, want in case.expected().items():
        got = np.asarray(outputs[name])
        assert got.shape == want.shape
        if want.dtype.kind in "fVc":
            tolerance = 1e-4 if want.dtype.itemsize >= 4 else 1e-2
            np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(got, want)


def test_every_operator_that_is_to_run_always_does():
    assert {case.operator for case in cases_where("cuda", _runs)} >= ALWAYS
