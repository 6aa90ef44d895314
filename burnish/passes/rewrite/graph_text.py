"""A graph as lines of text for reading and comparing: inputs, nodes in order, outputs, and the graphs inside nodes."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

MOST_ELEMENTS = 8  # of a constant that is shown whole


def graph_text(model: ir.Model) -> str:
    """`y f32[n,4] = Relu(x)  # relu`, one line per node."""
    return "\n".join(_lines(model.graph, "")) + "\n"


def _lines(graph: ir.Graph, indent: str) -> Iterator[str]:
    yield f"{indent}inputs {', '.join(map(_typed, graph.inputs))}"
    for node in graph:
        graphs = {n: a.as_graph() for n, a in node.attributes.items() if a.type == ir.AttributeType.GRAPH}
        plain = "".join(f" {n}={_short(a.value)}" for n, a in node.attributes.items() if n not in graphs)
        outputs, inputs = ", ".join(map(_typed, node.outputs)), ", ".join(map(_input, node.inputs))
        domain = f"{node.domain}." if node.domain else ""
        yield f"{indent}{outputs} = {domain}{node.op_type}({inputs}){plain}  # {node.name}"
        for name, inner in graphs.items():
            yield f"{indent}  {name}:"
            yield from _lines(inner, f"{indent}    ")
    yield f"{indent}outputs {', '.join(str(value.name) for value in graph.outputs)}"


def _typed(value: ir.Value) -> str:
    kind = value.dtype.short_name() if value.dtype is not None else "?"
    shape = (
        "?"
        if value.shape is None
        else ",".join(str(d) if isinstance(d, int) else str(d.value or "?") for d in value.shape)
    )
    return f"{value.name} {kind}[{shape}]"


def _input(value: ir.Value | None) -> str:
    if value is None:
        return "-"
    constant = value.const_value
    if constant is None:
        return str(value.name)
    return f"{value.name}={_short(constant.numpy().tolist())}" if constant.size <= MOST_ELEMENTS else _typed(value)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
