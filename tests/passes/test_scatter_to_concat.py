"""scatter_to_concat.py: assignments to slices, and what is none."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from burnish.passes.scatter_to_concat import RULES
from tests.passes.models import add_constants, apply, assert_same_answers, operators, parse, random_feeds


def assignment(shape: tuple[int, ...], *ranges: tuple[int, int]) -> tuple[ir.Model, np.ndarray]:
    """A model of x[ranges] = u, with the indices that PyTorch would export."""
    places = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in ranges), indexing="ij"), axis=-1).astype(np.int64)
    updates = (*places.shape[:-1], *shape[len(ranges) :])
    text = ",".join(map(str, shape)), ",".join(map(str, updates)), ",".join(map(str, places.shape))
    model = parse(
        f"agraph (float[{text[0]}] x, float[{text[1]}] u, int64[{text[2]}] i) => (float[{text[0]}] y) "
        "{ [put] y = ScatterND (x, i, u) }"
    )
    return model, places


@pytest.mark.parametrize(
    ("shape", "ranges", "expected"),
    [
        ((4, 3), [(0, 1)], ["Reshape", "Slice", "Concat"]),
        ((4, 3), [(3, 4)], ["Reshape", "Slice", "Concat"]),
        ((4, 3), [(1, 3)], ["Reshape", "Slice", "Slice", "Concat"]),
        ((2, 5, 3), [(0, 2), (2, 4)], ["Reshape", "Slice", "Slice", "Concat"]),
        ((2, 3), [(0, 2), (0, 3)], ["Reshape"]),
    ],
)
def test_an_assignment_to_a_slice_becomes_a_concat(
    shape: tuple[int, ...], ranges: list[tuple[int, int]], expected: list[str]
):
    model, indices = assignment(shape, *ranges)
    add_constants(model, {"i": indices})
    before = model.clone()
    assert apply(model, *RULES)[0] == 1 and operators(model) == expected
    assert_same_answers(before, model, random_feeds(before))
    assert apply(model, *RULES)[0] == 0


def test_negative_indices_count_from_the_end():
    model, indices = assignment((4, 3), (2, 4))
    add_constants(model, {"i": indices - 4})
    before = model.clone()
    assert apply(model, *RULES)[0] == 1
    assert_same_answers(before, model, random_feeds(before))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda i: i[::-1].copy(), "not a box"),
        (lambda i: np.repeat(i[:1], len(i), axis=0), "not a box"),
    ],
)
def test_what_is_no_run_of_rows_is_left_alone(change, reason: str):
    model, indices = assignment((4, 3), (1, 3))
    add_constants(model, {"i": change(indices)})
    changes, report = apply(model, *RULES)
    assert changes == 0 and reason in report.why("ScatterToConcat", "put")[0].reason


def test_a_corner_reductions_and_unknown_shapes_are_left_alone():
    model, indices = assignment((4, 3), (1, 3), (0, 2))
    add_constants(model, {"i": indices})
    changes, report = apply(model, *RULES)
    assert changes == 0 and "part of 2 axes" in report.why("ScatterToConcat", "put")[0].reason
    model, indices = assignment((4, 3), (1, 3))
    assert "not a constant" in apply(model, *RULES)[1].why("ScatterToConcat", "put")[0].reason
    add_constants(model, {"i": indices})
    model.graph.inputs[0].shape = ir.Shape(["n", 3])
    assert "not known" in apply(model, *RULES)[1].why("ScatterToConcat", "put")[0].reason
    model.graph.node(0).attributes["reduction"] = ir.AttrString("reduction", "add")
    assert "another reduction" in apply(model, *RULES)[1].why("ScatterToConcat", "put")[0].reason
