"""mark_zeros.py: which kernels learn of their zeros, and plans that leave them out answer as ONNX Runtime does."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import burnish
from burnish.building.analyze import analyze
from burnish.dtypes import DType
from burnish.kernels import mark_zeros
from burnish.kernels.abilities import Abilities
from burnish.kernels.task import Contraction, each_launch
from burnish.target import Target
from tests.end_to_end.oracle import answers, session
from tests.targets.cpu.run_kernel import runnable

V4 = Target("cpu", "x86-64-v4")
DEPTH, COLUMNS = 256, 330


@pytest.fixture
def any_size(monkeypatch):
    """Programs count as too large for a cache, however small they are."""
    monkeypatch.setattr(mark_zeros, "LEAST_BYTES", 0)


def product(
    rows: int | str, share: float, columns: int = COLUMNS, in_branch: bool = False, halves: bool = False
) -> onnx.ModelProto:
    """y = x w + b; a share of w is 0. halves: bf16 holds w."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((DEPTH, columns)).astype(np.float32)
    weights[rng.random(weights.shape) < share] = 0
    weights = weights.astype(DType.BF16.numpy).astype(np.float32) if halves else weights
    constants = [
        numpy_helper.from_array(weights, "w"),
        numpy_helper.from_array(np.ones(columns, np.float32), "b"),
    ]
    value = helper.make_tensor_value_info
    x, y = value("x", 1, [rows, DEPTH]), value("y", 1, [rows, columns])
    nodes, inputs = [helper.make_node("Gemm", ["x", "w", "b"], ["y"])], [x]
    if in_branch:
        then = helper.make_graph([helper.make_node("Gemm", ["x", "w", "b"], ["t"])], "then", [], [value("t", 1, None)])
        other = helper.make_graph([helper.make_node("Gemm", ["x", "w"], ["e"])], "else", [], [value("e", 1, None)])
        nodes = [helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)]
        inputs = [x, value("c", onnx.TensorProto.BOOL, [])]
    graph = helper.make_graph(nodes, "g", inputs, [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def marks(model: onnx.ModelProto, has_form: bool = True, **options: Any) -> list[int]:
    """Slot.zeros of each product's weights."""
    program = analyze(model, abilities=Abilities(sparse_weights=has_form), **options).program
    return [x.kernel.slots[1].zeros for x in each_launch(program.steps) if isinstance(x.kernel, Contraction)]


@pytest.mark.parametrize("share, sixteenths", [(0.0, 0), (0.2, 0), (0.52, 8), (0.91, 14), (1.0, 16)])
def test_the_share_is_rounded_down_and_a_small_one_does_not_count(any_size, share, sixteenths):
    assert marks(product(2, share)) == [sixteenths]


@pytest.mark.parametrize("rows, is_marked", [(1, True), (16, True), (17, False)])
def test_only_products_of_few_rows_are_marked(any_size, rows, is_marked):
    assert marks(product(rows, 0.9)) == [14 * is_marked]
    assert marks(product("N", 0.9), profile={"x": ((1, DEPTH), (rows, DEPTH), (64, DEPTH))}) == [14 * is_marked]


def test_programs_that_a_cache_holds_and_small_weights_and_other_targets_are_not_marked(any_size, monkeypatch):
    assert marks(product(1, 0.9, columns=200)) == [0]
    assert marks(product(1, 0.9), has_form=False) == [0]
    monkeypatch.undo()
    assert marks(product(1, 0.9)) == [0]


def test_a_weight_of_minus_zero_is_kept(any_size):
    model = product(1, 0.9)
    weights = numpy_helper.to_array(model.graph.initializer[0])
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.where(weights == 0, np.float32(-0.0), weights), "w"))
    assert marks(model) == [0]


def test_the_sides_of_an_if_are_marked(any_size):
    assert marks(product(2, 0.9, in_branch=True)) == [14, 14]


CHECKED = "cpu:x86-64-v4+checked"  # every access is tested
CASES = [(1, 0.5, str(V4), 4), (3, 0.9, CHECKED, 4), ("N", 0.75, str(V4), 4), (1, 0.5, CHECKED, 2)]


@pytest.mark.parametrize("rows, share, target, item", CASES)
def test_plans_without_zeros_are_smaller_and_answer_as_onnx_runtime_does(any_size, rows, share, target, item):
    if not runnable(V4):
        pytest.skip("this machine lacks it")
    columns = 1536 if item == 2 else COLUMNS  # smaller weights are not narrowed
    model = product(rows, share, columns, halves=item == 2)
    profile = {"x": ((1, DEPTH), (2, DEPTH), (20, DEPTH))} if rows == "N" else None
    plan = burnish.build(model, target=target, profile=profile)
    assert "form=sparse" in str(plan.manifest)
    weight_bytes = sum(len(blob) for name, blob in plan.blobs.items() if name.startswith("weights/"))
    assert weight_bytes < DEPTH * columns * (item * (1 - share) + 0.4)
    with burnish.load(plan, threads=2) as engine:
        for count in (1, 2, 7, 20) if rows == "N" else (rows,):
            x = np.random.default_rng(1).standard_normal((count, DEPTH)).astype(np.float32)
            want = answers(session(model.SerializeToString()), {"x": x})["y"]
            np.testing.assert_allclose(engine({"x": x})["y"], want, rtol=2e-5, atol=2e-4)
