"""known.py: ranges that name the exported model's tensors reach those of the optimised graph."""

from __future__ import annotations

from dataclasses import replace

import pytest

from burnish.errors import UserError
from burnish.precision.quantise.known import known_ranges, stray_notes
from burnish.precision.quantise.points import digest_of, find_points
from burnish.precision.quantise.quantise import quantise
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


def test_what_stays_f32_needs_no_range() -> None:
    graph = parse(TEXT, WEIGHTS).graph
    for node, name in zip(graph, ["relu", "t", "u", "first", "second"], strict=True):
        node.name = name
    ranges = Ranges({"nothing": Range(0, 1)}, method="entropy")
    rows = quantise(graph, ranges.keep("first", "second"))
    assert [row.why for row in rows] == ["it was asked to stay"] * 2
    with pytest.raises(UserError, match="they know 0 of the 1 tensors"):
        quantise(graph, ranges.keep("second"))


def notes(ranges: Ranges) -> list[str]:
    return list(stray_notes(parse(TEXT, WEIGHTS).graph, ranges))


def test_ranges_of_other_weights_are_told() -> None:
    own = digest_of(find_points(parse(TEXT, WEIGHTS).graph)[0])
    other = digest_of(find_points(parse(TEXT, WEIGHTS | {"w": normal(8, 4, seed=1)}).graph)[0])
    tensors = {"u": Range(0, 1), "b": Range(0, 1)}
    assert notes(Ranges(tensors, own)) == notes(Ranges(tensors)) == []
    (note,) = notes(Ranges(tensors, other))
    assert "found on other weights" in note


def test_names_that_the_model_does_not_have_are_told_unless_ranges_are_of_all_tensors() -> None:
    ranges = Ranges({"u": Range(0, 1)} | {f"n{i}": Range(0, 1) for i in range(7)})
    (note,) = notes(ranges)
    assert note.endswith("change nothing: 'n0', 'n1', 'n2', 'n3', 'n4' and 2 more")
    assert notes(replace(ranges, is_superset=True)) == []
    (note,) = notes(Ranges({"u": Range(0, 1)}).keep("nosuch"))
    assert "nodes to keep in f32" in note and "'nosuch'" in note
