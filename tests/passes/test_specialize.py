"""specialize.py: input dimensions become numbers, everywhere or nowhere."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from burnish.errors import UserError
from burnish.passes.fold_shapes import fold_shapes
from burnish.passes.rewrite.context import PassContext
from burnish.passes.specialize import specialize
from tests.passes.models import parse

TEXT = "agraph (float[n,s] x, float[n,s] mask, float[k] z) => (float[n,s] y) { h = Mul (x, mask) y = Relu (h) }"


def shapes(model: ir.Model) -> list[str]:
    return [str(v.shape) for v in model.graph.inputs]


def test_a_symbol_that_gets_a_number_gets_it_everywhere():
    model = parse(TEXT)
    context = PassContext(input_shapes={"x": [2, None]})
    assert specialize(model, context) == 2
    assert shapes(model) == ["[2,s]", "[2,s]", "[k]"]
    fold_shapes(model, context)
    assert [str(v.shape) for n in model.graph for v in n.outputs] == ["[2,s]", "[2,s]"]


def test_nothing_given_changes_nothing_and_a_second_run_neither():
    model = parse(TEXT)
    assert specialize(model, PassContext()) == 0
    context = PassContext(input_shapes={"x": [2, 3]})
    assert specialize(model, context) == 4 and specialize(model, context) == 0


def test_an_input_without_shape_takes_the_one_given():
    model = parse(TEXT)
    model.graph.inputs[2].shape = None
    specialize(model, PassContext(input_shapes={"z": [5]}))
    assert shapes(model)[2] == "[5]"


def test_anonymous_dimensions_can_be_bound():
    model = parse(TEXT)
    model.graph.inputs[2].shape = ir.Shape([None])
    specialize(model, PassContext(input_shapes={"z": [5]}))
    assert shapes(model)[2] == "[5]"


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ({"w": [1]}, "E240", ["'w'", "x, mask, z"]),
        ({"x": [1, 2, 3]}, "E241", ["rank 2", "3 dimensions"]),
        ({"x": [2, 3], "mask": [4, 3]}, "E242", ["'n' is 2 in input 'x'", "axis 0"]),
    ],
)
def test_what_does_not_fit_is_refused(given: dict[str, list[int]], code: str, words: list[str]):
    with pytest.raises(UserError) as caught:
        specialize(parse(TEXT), PassContext(input_shapes=given))
    assert caught.value.code == code
    for word in words:
        assert word in str(caught.value)


def test_a_dimension_that_the_model_fixes_cannot_be_changed():
    model = parse("agraph (float[3] x) => (float[3] y) { y = Relu (x) }")
    with pytest.raises(UserError, match="E242"):
        specialize(model, PassContext(input_shapes={"x": [4]}))


def test_ranks_and_numbers_that_only_the_file_tells_are_kept():
    model = parse(
        """<ir_version: 10, opset_import: ["" : 21, "ai.onnx.ml" : 3]> agraph (float[n,3] x) => (float[n,2] y) {
        y = ai.onnx.ml.Scaler (x) }"""
    )
    model.graph.outputs[0].shape = ir.Shape(["n", 2])
    specialize(model, PassContext(input_shapes={"x": [5, 3]}))
    assert str(model.graph.outputs[0].shape) == "[None,2]"
