"""attention_heads.py: repeated heads are seen through, and only they."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from burnish.passes.forms.attention_heads import dims_of, without_repeat
from tests.passes.golden import build

BODY = "a = {insert}(k, {where}) b = Expand(a, {repeat}) c = Reshape(b, {shape}) y = Relu(c)"
SHAPES = {
    "two": np.array([2]),
    "three": np.array([3]),
    "single": np.array([2, 2, 1, 5, 8]),
    "twice": np.array([1, 1, 3, 1, 1]),
    "outer": np.array([2, 2, 5, 3, 8]),
    "heads": np.array([2, 6, 5, 8]),
    "other": np.array([2, 2, 15, 8]),
    "flat": np.array([12, 5, 8]),
}


def repeated(insert: str, where: str, repeat: str, shape: str, k: str = "float[2,2,5,8] k") -> ir.Value:
    used = {n: SHAPES[n] for n in {where, repeat, shape}}
    body = BODY.format(insert=insert, where=where, repeat=repeat, shape=shape)
    return build(k, body, **used).graph.node(2).outputs[0]


@pytest.mark.parametrize("insert, where", [("Unsqueeze", "two"), ("Reshape", "single")])
def test_heads_repeated_in_a_row_are_found(insert: str, where: str):
    base, count, nodes = without_repeat(repeated(insert, where, "twice", "heads"))
    assert base.name == "k" and count == 3 and [n.op_type for n in nodes] == ["Reshape", "Expand", insert]


@pytest.mark.parametrize(
    "value",
    [
        repeated("Unsqueeze", "three", "outer", "other"),
        repeated("Unsqueeze", "two", "twice", "flat"),
        repeated("Unsqueeze", "two", "twice", "heads", "float[2,H,5,8] k"),
        repeated("Reshape", "single", "twice", "heads", "float[160] k"),
        build("float[2,6,5,8] k", "y = Relu(k)").graph.outputs[0],
        build("float[2,6,40] k", "y = Reshape(k, heads)", heads=SHAPES["heads"]).graph.outputs[0],
    ],
    ids=["tokens, not heads", "flattened", "symbolic heads", "split from a vector", "no reshape", "a reshape alone"],
)
def test_what_is_no_repeat_of_heads_is_left_as_it_is(value: ir.Value):
    assert without_repeat(value) == (value, 1, ())


def test_dims_are_ints_names_or_none():
    value = ir.Value(name="x", shape=ir.Shape([2, "n", None]))
    assert dims_of(value) == (2, "n", None) and dims_of(ir.Value(name="y")) is None
