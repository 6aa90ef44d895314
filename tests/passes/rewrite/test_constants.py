"""constants.py: what is known of a value at build time."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx_ir as ir

from burnish.passes.rewrite.constants import (
    constant_array,
    constant_integers,
    constant_number,
    has_same_shape,
    integer_shape,
    is_constant,
    new_initializer,
)
from tests.passes.models import parse

MODEL = """agraph (float[n,2] x, float[n,2] z, float[2] w) => (y)
    <float one = {1.0}, int64[2] pair = {3, 4}, bool yes = {1}> {
    k = Constant <value_ints = [5]> () y = Relu (x) }"""


def value(model: ir.Model, name: str) -> ir.Value:
    return ir.convenience.create_value_mapping(model.graph)[name]


def test_initializers_and_constant_nodes_are_constants_and_nothing_else_is():
    model = parse(MODEL)
    assert [is_constant(value(model, n)) for n in ("one", "k", "x", "y")] == [True, True, False, False]
    assert not is_constant(None) and constant_array(None) is None and constant_array(value(model, "y")) is None


def test_numbers_and_integers_are_read_whatever_their_rank_and_type():
    model = parse(MODEL)
    assert constant_number(value(model, "one")) == 1.0 and constant_number(value(model, "yes")) is True
    assert constant_number(value(model, "pair")) is None and constant_integers(value(model, "pair")) == (3, 4)
    assert constant_integers(value(model, "k")) == (5,) and constant_integers(value(model, "one")) is None
    half = new_initializer(model.graph, np.array([0.5], ml_dtypes.bfloat16), "half")
    assert constant_number(half) == 0.5


def test_shapes_are_the_same_only_where_every_run_says_so():
    model = parse(MODEL)
    x, z, w = (value(model, n) for n in "xzw")
    assert has_same_shape(x, z) and not has_same_shape(x, w) and not has_same_shape(x, None)
    z.shape = ir.Shape([None, 2])
    assert not has_same_shape(z, z)
    assert integer_shape(w) == (2,) and integer_shape(x) is None and integer_shape(None) is None


def test_a_new_initializer_takes_a_free_name():
    model = parse(MODEL)
    names = [new_initializer(model.graph, np.zeros(1), name).name for name in ("one", "one", "x", "fresh")]
    assert names == ["one_1", "one_2", "x_1", "fresh"]
