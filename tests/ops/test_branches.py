"""branches.py: the sides of an If, and whether both give the same."""

from __future__ import annotations

import onnx
import onnx_ir as ir
import pytest

from burnish.ops.branches import sides_agree, sides_of
from burnish.ops.inference.infer import infer

TEXT = """<ir_version: 10, opset_import: ["" : 21]> m (float[4] x, bool p, int64[k] i) => (y) {{
    y = If(p) <then_branch = t () => (a) {{ {then} }}, else_branch = e () => (b) {{ {other} }}> }}"""


def choice(then: str, other: str) -> tuple[ir.Graph, ir.Node]:
    graph = ir.from_proto(onnx.parser.parse_model(TEXT.format(then=then, other=other))).graph
    return graph, graph[-1]


def test_the_side_that_is_done_where_the_condition_holds_comes_first() -> None:
    _, node = choice("a = Neg(x)", "b = Abs(x)")
    assert [side[0].op_type for side in sides_of(node)] == ["Neg", "Abs"]


@pytest.mark.parametrize(
    ("other", "agrees"),
    [
        ("b = Abs(x)", True),
        ("b = Concat <axis = 0> (x, x)", False),
        ("b = Gather(x, i)", False),
        ("b = Cast <to = 10> (x)", False),
    ],
)
def test_sides_agree_where_shapes_and_types_are_equal(other: str, agrees: bool) -> None:
    graph, node = choice("a = Neg(x)", other)
    assert sides_agree(node, infer(graph)) == agrees


def test_a_side_that_does_not_fit_the_shapes_is_not_asked() -> None:
    graph, node = choice("a = Neg(x)", "c = Concat <axis = 0> (x, x) b = MatMul(x, c)")
    found = infer(graph)
    assert len(found.impossible) == 1 and sides_agree(node, found)
