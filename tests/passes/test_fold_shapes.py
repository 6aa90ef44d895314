"""fold_shapes.py: shapes are written back, shape arithmetic that is known is folded, targets of reshapes too."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from burnish.passes.fold_shapes import fold_shapes, reshape_target
from burnish.passes.lift_constants import lift_constants
from burnish.passes.remove_unused import remove_unused
from burnish.passes.rewrite.constants import constant_integers
from burnish.passes.rewrite.context import PassContext
from tests.passes.models import assert_same_answers, operators, parse, random_feeds

HEADS = """agraph (float[n,s,8] x) => (y) {
    shape = Shape (x) zero = Constant <value_int = 0> () one = Constant <value_int = 1> ()
    b = Gather (shape, zero) t = Gather (shape, one) axes = Constant <value_ints = [0]> ()
    b1 = Unsqueeze (b, axes) t1 = Unsqueeze (t, axes) rest = Constant <value_ints = [2, 4]> ()
    target = Concat <axis = 0> (b1, t1, rest) y = Reshape (x, target) }"""


def fold(model: ir.Model) -> int:
    context = PassContext()
    lift_constants(model, context)
    changes = fold_shapes(model, context)
    remove_unused(model, context)
    return changes


def test_known_shape_arithmetic_becomes_constants():
    model = parse(HEADS.replace("n,s", "2,3"))
    before = model.clone()
    assert fold(model) >= 1
    assert operators(model) == ["Reshape"]
    assert constant_integers(model.graph.node(0).inputs[1]) == (2, 3, 2, 4)
    assert_same_answers(before, model, random_feeds(before))
    assert fold_shapes(model, PassContext()) == 0


def test_symbolic_dimensions_of_a_reshape_are_copied():
    model = parse(HEADS)
    before = model.clone()
    fold(model)
    assert operators(model) == ["Reshape"]
    assert constant_integers(model.graph.node(0).inputs[1]) == (0, 0, 2, 4)
    assert str(model.graph.outputs[0].shape) == "[n,s,2,4]"
    assert_same_answers(before, model, random_feeds(before, symbols={"n": 2, "s": 5}))


def test_what_is_known_of_a_partly_symbolic_shape_is_folded():
    model = parse("agraph (float[n,8] x) => (int64 y) { s = Shape (x) one = Constant <value_int = 1> () "
                  "w = Gather (s, one) y = Mul (w, w) }")  # fmt: skip
    before = model.clone()
    fold(model)
    assert operators(model) == ["Identity"]
    assert_same_answers(before, model, random_feeds(before))


def test_shapes_inside_subgraphs_are_folded():
    model = parse("""agraph (bool c, float[2,3] x) => (int64[2] y) {
        y = If (c) <then_branch = g1 () => (int64[2] t) { s = Shape (x) t = Add (s, s) },
                    else_branch = g2 () => (int64[2] e) { e = Shape (x) }> }""")
    before = model.clone()
    assert fold(model) >= 2
    assert "Shape" not in operators(model) and "Add" not in operators(model)
    assert_same_answers(before, model, {"c": np.array(True), "x": np.zeros((2, 3), np.float32)})


def test_dtypes_and_shapes_of_all_values_are_written_back():
    model = parse(HEADS)
    for node in model.graph:
        for value in node.outputs:
            value.shape = value.type = None
    fold_shapes(model, PassContext())
    assert all(v.shape is not None and v.type is not None for n in model.graph for v in n.outputs)


@pytest.mark.parametrize(
    ("source", "result", "target"),
    [((2, 6), (3, 4), [3, 4]), ((2, 6), (2, 2, 3), [2, 2, 3])],
)
def test_targets_of_reshapes(source: tuple[int, ...], result: tuple[int, ...], target: list[int]):
    assert reshape_target(source, result) == target
