"""known.py: ranges that name the exported model's tensors reach those of the optimised graph."""

from __future__ import annotations

import pytest

from burnish.errors import UserError
from burnish.precision.quantise.known import known_ranges
from burnish.precision.quantise.points import find_points
from burnish.precision.ranges import Range, Ranges
from tests.precision.graphs import normal, parse

TEXT = """g (float[2,8] x) => (float[2,4] y) {
    a = Relu(x)  t = Transpose<perm=[1,0]>(a)  u = Transpose<perm=[1,0]>(t)
    b = MatMul(u, v)  y = MatMul(b, w)
}"""
WEIGHTS = {"v": normal(8, 8), "w": normal(8, 4)}


def known(ranges: Ranges) -> dict[str, Range]:
    points, _ = find_points(parse(TEXT, WEIGHTS).graph)
    return {str(value.name): found for value, found in known_ranges(points, ranges).items()}


def test_what_only_moves_elements_has_the_range_of_what_it_moves() -> None:
    assert known(Ranges({"a": Range(-1, 1)}, method="TensorRT")) == {"u": Range(-1, 1)}
    assert known(Ranges({"t": Range(0, 2), "a": Range(-1, 1), "b": Range(0, 1)})) == {
        "u": Range(0, 2),
        "b": Range(0, 1),
    }


def test_a_function_of_a_tensor_does_not_have_its_range() -> None:
    assert known(Ranges({"x": Range(-1, 1)})) == {}


def test_ranges_of_another_model_are_refused_and_a_callers_own_are_not() -> None:
    with pytest.raises(UserError, match="they know 0 of the 2 tensors that products read; 'u'") as caught:
        known(Ranges({"other": Range(-1, 1)}, method="entropy"))
    assert caught.value.code == "E731"
    assert known(Ranges({"other": Range(-1, 1)})) == {}
