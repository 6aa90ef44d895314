"""gather_to_slice.py and forward_slices.py: slices read from where their elements come from."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from burnish.passes import forward_slices
from tests.passes.models import apply, assert_same_answers, operators, parse, random_feeds

C = """<int64 two = {2}, int64 last = {-1}, int64[2] near = {1, 2}, int64[2] far = {0, 2}, int64[0] none = {},
    int64[1] i0 = {0}, int64[1] i1 = {1}, int64[1] i2 = {2}, int64[1] i3 = {3}, int64[1] i5 = {5}, int64[1] big = {99},
    int64[1] minus = {-1}>"""


def build(body: str) -> ir.Model:
    return parse(f"agraph (float[3,4] x, float[2,4] z, int64[1] d) => (y) {C} {{ {body} }}")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("c = Concat <axis = 0> (x, z) y = Slice (c, i0, i2, i0)", ["Slice"]),
        ("c = Concat <axis = 0> (x, z) s = Slice (c, i3, i5, i0) y = Relu (s)", ["Relu"]),
        ("c = Concat <axis = 0> (x, z, x) y = Slice (c, i3, big, i0)", ["Concat"]),
        ("c = Concat <axis = 0> (x, z) y = Slice (c, minus, big, i0)", ["Slice"]),
        ("s = Slice (x, i1, i3, i0) y = Slice (s, i1, i2, i0)", ["Slice"]),
        ("s = Slice (x, i1, i3, i0) y = Slice (s, i1, i3, i1)", ["Slice"]),
    ],
)
def test_a_slice_reads_from_the_source(body: str, expected: list[str]):
    model = build(body)
    before = model.clone()
    assert apply(model, *forward_slices.RULES)[0] == 1 and operators(model) == expected
    assert_same_answers(before, model, random_feeds(before))
    assert apply(model, *forward_slices.RULES)[0] == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("c = Concat <axis = 0> (x, z) [s] y = Slice (c, i1, i5, i0)", "cuts through"),
        ("c = Concat <axis = 0> (x, z) [s] y = Slice (c, i0, big, i0)", "all or nothing"),
        ("c = Concat <axis = 0> (x, z) [s] y = Slice (c, i1, i2, i1)", "does not slice axis 0"),
        ("c = Concat <axis = 0> (x, z) [s] y = Slice (c, d, i2, i0)", "not constants"),
        ("c = Concat <axis = 0> (x, z) [s] y = Slice (c, i0, i5, i0, i2)", "steps"),
        ("c = Relu (x) [s] y = Slice (c, i0, i2, i0)", "not a Concat"),
    ],
)
def test_other_slices_are_left_alone(body: str, reason: str):
    changes, report = apply(build(body), forward_slices.SliceOfConcat())
    assert changes == 0 and reason in report.why("SliceOfConcat", "s")[0].reason
    changes, report = apply(build(body), forward_slices.SliceOfSlice())
    assert changes == 0 and "not a Slice" in report.why("SliceOfSlice", "s")[0].reason


def test_slices_of_symbolic_axes_are_left_alone():
    model = parse(
        "agraph (float[n,4] x) => (float[a,4] y) <int64[1] i = {0}, int64[1] j = {2}> "
        "{ s = Slice (x, i, j, i) [s] y = Slice (s, i, j, i) }"
    )
    changes, report = apply(model, *forward_slices.RULES)
    assert changes == 0 and "no known size" in report.why("SliceOfSlice", "s")[0].reason


def test_a_part_of_unknown_size_is_named():
    model = parse(
        "agraph (float[n,4] x, float[2,4] z) => (float[a,4] y) <int64[1] i = {0}, int64[1] j = {1}> "
        "{ c = Concat <axis = 0> (x, z) [s] y = Slice (c, i, j, i) }"
    )
    model.graph.node(0).outputs[0].shape = ir.Shape([5, 4])
    assert "has no known size" in apply(model, *forward_slices.RULES)[1].why("SliceOfConcat", "s")[0].reason
