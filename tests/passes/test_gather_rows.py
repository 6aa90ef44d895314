"""gather_rows.py: rows that a Loop collects in a sequence, as PyTorch exports EmbeddingBag. Oracle: ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import burnish
from burnish.importers import load_model
from burnish.passes.fold_shapes import fold_shapes
from burnish.passes.gather_rows import gather_rows
from burnish.passes.rewrite.context import PassContext
from tests.importers.build import answers

WEIGHTS = np.random.default_rng(0).standard_normal((10, 4)).astype(np.float32)
FEEDS = {"indices": np.array([1, 2, 4, 5, 4, 3]), "offsets": np.array([0, 3, 5])}


def embedding_bag(new_axis: int = 0, keepdims: int = 1) -> onnx.ModelProto:
    """While i < bags: append the sum of the bag's rows, or zeros for an empty bag. No type is said inside the body."""
    node = helper.make_node
    row = [
        node("Slice", ["embedded", "start", "end"], ["rows"]),
        node("ReduceSum", ["rows", "zero"], ["sum"], keepdims=keepdims),
    ]
    zeros = [node("Expand", ["nought", "shape"], ["zeros"])]
    sides = [
        helper.make_graph(nodes, name, [], [helper.make_empty_tensor_value_info(out)])
        for nodes, name, out in ((zeros, "empty", "zeros"), (row, "full", "sum"))
    ]
    body = helper.make_graph(
        [
            node("Reshape", ["i", "minus"], ["at"]),
            node("Add", ["at", "one"], ["next"]),
            node("Gather", ["ends", "at"], ["start"]),
            node("Gather", ["ends", "next"], ["end"]),
            node("Equal", ["start", "end"], ["same"]),
            node("Squeeze", ["same"], ["is_empty"]),
            node("If", ["is_empty"], ["row"], then_branch=sides[0], else_branch=sides[1]),
            node("SequenceInsert", ["s", "row"], ["s_out"]),
            node("Identity", ["c"], ["c_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            onnx.ValueInfoProto(name="s"),
        ],
        [helper.make_tensor_value_info("c_out", TensorProto.BOOL, []), onnx.ValueInfoProto(name="s_out")],
    )
    nodes = [
        node("Gather", ["w", "indices"], ["embedded"]),
        node("Shape", ["indices"], ["count"]),
        node("Concat", ["offsets", "count"], ["ends"], axis=0),
        node("Size", ["offsets"], ["bags"]),
        node("SequenceEmpty", [], ["none"]),
        node("Loop", ["bags", "true", "none"], ["collected"], body=body),
        node("ConcatFromSequence", ["collected"], ["y"], axis=0, new_axis=new_axis),
    ]
    shape = [1, 4] if keepdims else [4]
    constants: dict[str, Any] = {"w": WEIGHTS, "zero": [0], "one": [1], "minus": [-1], "true": True, "shape": shape}
    weights = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    weights.append(numpy_helper.from_array(np.zeros(1, np.float32), "nought"))
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, [n[0]]) for n in FEEDS]
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "bag", inputs, [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.mark.parametrize(("new_axis", "keepdims"), [(0, 1), (0, 0), (1, 1), (1, 0)])
def test_collected_rows_are_joined_or_stacked(new_axis: int, keepdims: int):
    model = embedding_bag(new_axis, keepdims)
    plan = burnish.build(model, shapes={name: a.shape for name, a in FEEDS.items()})
    for offsets in ([0, 3, 5], [0, 0, 4]):  # with an empty bag too
        feeds = FEEDS | {"offsets": np.array(offsets)}
        with burnish.load(plan, threads=1) as engine:
            np.testing.assert_allclose(engine(feeds)["y"], answers(model, feeds)[0], rtol=1e-6)


@pytest.mark.parametrize("is_known", [True, False])
def test_rows_whose_first_axis_is_not_known_stay_a_sequence(is_known: bool):
    proto = embedding_bag()
    if not is_known:  # a bag's rows themselves, and none of them for an empty bag
        loop = next(n for n in proto.graph.node if n.op_type == "Loop")
        choice = next(n for n in loop.attribute[0].g.node if n.op_type == "If")
        summed = next(n for side in choice.attribute for n in side.g.node if n.op_type == "ReduceSum")
        summed.CopyFrom(helper.make_node("Identity", ["rows"], ["sum"]))
    model = load_model(proto).model
    fold_shapes(model, PassContext())
    assert gather_rows(model, PassContext()) == is_known
    assert gather_rows(model, PassContext()) == 0
