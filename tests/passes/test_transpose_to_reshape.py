"""transpose_to_reshape.py: moving axes of size 1 moves nothing."""

from __future__ import annotations

import pytest

from burnish.passes import transpose_to_reshape
from tests.passes.models import apply, assert_same_answers, operators, parse, random_feeds


@pytest.mark.parametrize(
    ("shape", "order", "fires"),
    [
        ((1, 5, 1), (1, 0, 2), True),
        ((1, 1, 7), (2, 0, 1), True),
        ((3, 1, 4), (1, 0, 2), True),
        ((1, 3, 4), (0, 2, 1), False),
    ],
)
def test_a_transpose_of_ones_is_a_reshape(shape: tuple[int, ...], order: tuple[int, ...], fires: bool):
    text = f"agraph (float[{','.join(map(str, shape))}] x) => (y) {{ [t] y = Transpose <perm = {list(order)}> (x) }}"
    model = parse(text)
    before = model.clone()
    changes, report = apply(model, *transpose_to_reshape.RULES)
    assert changes == int(fires) and operators(model) == ["Reshape" if fires else "Transpose"]
    if not fires:
        assert "changes the order" in report.why("TransposeToReshape", "t")[0].reason
    assert_same_answers(before, model, random_feeds(before))


def test_a_transpose_of_a_symbolic_shape_is_left_alone():
    model = parse("agraph (float[n,1] x) => (float[1,n] y) { [t] y = Transpose (x) }")
    changes, report = apply(model, *transpose_to_reshape.RULES)
    assert changes == 0 and "not known" in report.why("TransposeToReshape", "t")[0].reason
