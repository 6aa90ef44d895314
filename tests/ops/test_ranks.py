"""ranks.py: inputs of ranks that an operator does not take are named."""

from __future__ import annotations

import onnx
import pytest

import burnish
from burnish.errors import UserError
from burnish.ops.ranks import RANKS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "(float x, float[3] s) => (float y) { y = InstanceNormalization (x, s, s) }",
            "input 0 has 0 axes, and not 3 or more",
        ),
        ("(float[4,9] x) => (float y) { y = DepthToSpace <blocksize=2> (x) }", "input 0 has 2 axes, and not 4"),
    ],
)
def test_an_input_of_another_rank_is_refused_by_its_place(text: str, words: str):
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 21]> m {text}')
    with pytest.raises(UserError, match=rf"E203(.|\n)*{words}"):
        burnish.build(model)


def test_every_operator_of_the_table_has_that_many_inputs():
    for op_type, ranks in RANKS.items():
        assert len(ranks) <= onnx.defs.get_schema(op_type).max_input
