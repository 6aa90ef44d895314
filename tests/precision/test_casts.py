"""casts.py: a cast is made once where all that read it see it, and its name is its own."""

from __future__ import annotations

import onnx_ir as ir

from burnish.ops.branches import sides_of, subgraphs
from burnish.precision.casts import Casts
from tests.precision.graphs import parse

TEXT = """m (float[3] x, bool p) => (float[3] y) {
    h = Neg(x)
    y = If(p) <then_branch = t () => (float[3] a) { a = Neg(h) },
               else_branch = e () => (float[3] b) { b = Abs(h) }> }"""


def test_a_subgraph_reads_the_casts_around_it_and_not_those_of_the_other_side() -> None:
    graph = parse(TEXT).graph
    neg, choice = graph
    h = neg.outputs[0]
    casts = Casts(graph)
    then, otherwise = sides_of(choice)
    with casts.inside(then):
        in_then = casts.before(then[0], h, ir.DataType.FLOAT16)
        assert casts.before(then[0], h, ir.DataType.FLOAT16) is in_then
    with casts.inside(otherwise):
        in_other = casts.before(otherwise[0], h, ir.DataType.FLOAT16)
    around = casts.before(choice, h, ir.DataType.BFLOAT16)
    with casts.inside(then):
        assert casts.before(then[0], h, ir.DataType.BFLOAT16) is around
    assert [n.op_type for n in then] == ["Cast", "Neg"] and [n.op_type for n in graph] == ["Neg", "Cast", "If"]
    assert (in_then.name, in_other.name, around.name) == ("h/f16", "h/f16.1", "h/bf16")


def test_a_cast_at_the_end_is_the_last_node() -> None:
    graph = parse(TEXT).graph
    casts = Casts(graph)
    value = casts.at_end(graph.outputs[0], ir.DataType.FLOAT16)
    assert graph[-1] is value.producer() and value.name == "y/f16" and value.dtype == ir.DataType.FLOAT16


def test_subgraphs_are_those_of_the_attributes() -> None:
    neg, choice = parse(TEXT).graph
    assert subgraphs(neg) == [] and subgraphs(choice) == list(sides_of(choice))
