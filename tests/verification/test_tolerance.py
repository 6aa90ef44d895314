"""Tolerances grow with depth and with the dtype's rounding, and end below 1 %."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from burnish.dtypes import DType
from burnish.verification.tolerance import HIGHEST, derive_tolerance, narrowest, tolerance_for
from tests.small_model import small_model


def test_deeper_is_looser_and_finer_types_are_tighter() -> None:
    assert tolerance_for(DType.F32, 1, 10) < tolerance_for(DType.F32, 10, 10) < tolerance_for(DType.F32, 10, 1000)
    for finer, coarser in ((DType.F64, DType.F32), (DType.F32, DType.F16)):
        assert tolerance_for(finer, 2, 10) < tolerance_for(coarser, 2, 10)


def test_no_tolerance_lets_a_result_pass_that_is_one_percent_wrong() -> None:
    assert all(tolerance_for(d, 10**6, 10**9) <= HIGHEST < 0.01 for d in DType)


@pytest.mark.parametrize("dtype", [DType.I64, DType.BOOL, DType.STRING, DType.U8])
def test_what_is_not_a_float_has_none(dtype: DType) -> None:
    assert tolerance_for(dtype, 100, 100) == 0.0


def test_depth_is_the_longest_path_in_rounded_layers_and_summed_terms() -> None:
    found = derive_tolerance(small_model().graph, DType.F32, "y")
    assert (found.layers, found.terms, found.quantised) == (
        2,
        4 + 1,
        False,
    )  # a product of depth 4 and a sum; relu is exact


def test_branches_count_by_the_longer_one_and_bodies_by_their_sum() -> None:
    weights = numpy_helper.from_array(np.zeros((8, 4, 3, 3), np.float32), "W")
    body = helper.make_graph(
        [helper.make_node("Conv", ["x", "W"], ["c"]), helper.make_node("Exp", ["c"], ["e"])],
        "then",
        [],
        [helper.make_tensor_value_info("e", TensorProto.FLOAT, None)],
    )
    other = helper.make_graph(
        [helper.make_node("Exp", ["x"], ["f"])],
        "else",
        [],
        [helper.make_tensor_value_info("f", TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node("If", ["p"], ["i"], then_branch=body, else_branch=other),
        helper.make_node("ReduceSum", ["i"], ["r"]),
        helper.make_node("Add", ["r", "x"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", [], [], [weights])
    found = derive_tolerance(graph, DType.F32, "y")
    assert (found.layers, found.terms) == (2 + 1 + 1, 36 + 1 + 1024 + 1)


def test_a_quantising_graph_is_noticed() -> None:
    graph = helper.make_graph([helper.make_node("QuantizeLinear", ["x", "s"], ["y"])], "g", [], [])
    assert derive_tolerance(graph, DType.U8, "y").quantised


def test_an_output_that_nothing_computes_has_the_tightest_tolerance() -> None:
    graph = helper.make_graph([], "g", [], [])
    assert derive_tolerance(graph, DType.F32, "x").layers == 0


def test_the_narrowest_float_counts() -> None:
    assert narrowest([DType.F32, DType.F16, DType.I64]) is DType.F16
    assert narrowest([DType.I64]) is DType.F32


def test_an_lstm_whose_states_the_oracle_rounds_to_8_bits_is_judged_by_the_highest_tolerance() -> None:
    lstm = helper.make_node("DynamicQuantizeLSTM", ["x", "w", "r"], ["y"], domain="com.microsoft")
    found = derive_tolerance(helper.make_graph([lstm], "g", [], []), DType.F32, "y")
    assert found.quantised and found.relative == HIGHEST
