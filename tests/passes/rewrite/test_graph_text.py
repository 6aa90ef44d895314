"""graph_text.py: a line a node, types and small constants in it, inner graphs indented."""

from __future__ import annotations

from burnish.passes.rewrite.graph_text import graph_text
from tests.passes.models import parse


def test_a_line_a_node_with_types_attributes_and_inner_graphs() -> None:
    model = parse(
        """agraph (float[n,2] x, bool c) => (float[n,2] z)
        { y = Softmax <axis = 1> (x)
          z = If (c) <then_branch = g () => (a) { a = Relu (y) }, else_branch = h () => (b) { b = Clip (y, , y) }> }"""
    )
    text = graph_text(model)
    lines = [line.partition("  # ")[0] for line in text.splitlines()]
    assert lines[0] == "inputs x f32[n,2], c b8[]"
    assert lines[1].endswith("= Softmax(x) axis=1")
    assert "  then_branch:" in lines and "    inputs " in lines
    assert any(line.startswith("    b ") and line.endswith("= Clip(y, -, y)") for line in lines)
    assert lines[-1] == "outputs z"
