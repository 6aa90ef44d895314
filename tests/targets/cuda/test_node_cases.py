"""ONNX's own node tests, lowered for a GPU: every Loops kernel runs in Triton's interpreter, the rest by numpy.

A case of many kinds of kernels runs always; all of them, each under another of its schedules, with `-m slow`.
"""

from __future__ import annotations

import random
import zlib

import numpy as np
import pytest

from burnish.building.analyze import analyze
from burnish.kernels.task import AttentionTask, Loops, RecurrentTask, each_launch
from burnish.targets import compiler_of
from tests.targets.cuda.run_program import HOPPER, run_model
from tests.test_node_cases import OTHERWISE, _array, _collect

ALWAYS = {
    "ArgMax", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "ConvTranspose", "CumSum",
    "DepthToSpace", "DequantizeLinear", "Einsum", "Equal", "Erf", "Expand", "Gather", "GatherElements", "GatherND",
    "Gelu", "GlobalMaxPool", "GroupNormalization", "HardSwish", "InstanceNormalization", "LRN", "LayerNormalization",
    "LogSoftmax", "Mod", "MaxPool", "Mish", "OneHot", "Pad", "Pow", "PRelu", "QuantizeLinear", "RMSNormalization",
    "ReduceL2", "ReduceLogSumExp", "Resize", "RotaryEmbedding", "ScatterElements", "Slice", "Softmax", "SpaceToDepth",
    "Split", "Tile", "Transpose", "Trilu", "Where",
}  # fmt: skip


def _parameters():
    seen, found = set(), []
    for case in _collect():
        op_type = case.model.graph.node[0].op_type
        if case.name not in OTHERWISE:
            now = op_type in ALWAYS and op_type not in seen
            found.append(pytest.param(case, id=case.name, marks=[] if now else [pytest.mark.slow]))
            seen.add(op_type)
    return found


@pytest.mark.parametrize("case", _parameters())
def test_interpreted_loops_give_onnx_expected_output(case):
    inputs, expected = ([_array(v) for v in values] for values in case.data_sets[0])
    feeds = dict(zip((v.name for v in case.model.graph.input), inputs))
    shapes = {name: array.shape for name, array in feeds.items()}
    program = analyze(case.model, shapes=shapes, abilities=compiler_of(HOPPER).abilities).program
    kinds = {type(x.kernel) for x in each_launch(program.steps)}
    if (
        Loops not in kinds
        or kinds & {AttentionTask, RecurrentTask}
        or any(low == 0 for low, _, _ in program.symbols.values())
    ):
        return  # no loops; or kernels, or shapes from data, that the harness does not have
    pick = random.Random(zlib.crc32(case.name.encode()))
    outputs, _ = run_model(case.model, feeds, lambda found: pick.choice([found[0], *found[:16]]), shapes=shapes)
    for value, want in zip(case.model.graph.output, expected):
        got = np.asarray(outputs[value.name])
        assert got.shape == want.shape
        if want.dtype.kind in "fVc":
            tolerance = 1e-4 if want.dtype.itemsize >= 4 else 1e-2
            np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(got, want)
