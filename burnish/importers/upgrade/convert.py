"""The type of adapters, and the functions with which they write nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from burnish.errors import UserError
from burnish.passes.rewrite.constants import new_initializer

TARGET_OPSET: int = onnx.defs.onnx_opset_version()

Adapter = Callable[[ir.Node, str], None]


def insert(
    before: ir.Node, op_type: str, inputs: Sequence[ir.Value | None], suffix: str = "", **attributes: Any
) -> ir.Value:
    """Insert a new node with one output before another node, and name it after that node."""
    given = [ir.convenience.convert_attribute(k, v) for k, v in attributes.items()]
    name = f"{before.name}/{suffix or op_type}"
    node = ir.Node("", op_type, list(inputs), given, name=name)
    node.outputs[0].name = f"{name}_output"
    graph = before.graph
    assert graph is not None
    graph.insert_before(before, node)
    return node.outputs[0]


def constant(node: ir.Node, content: Any, name: str, dtype: Any = np.int64) -> ir.Value:
    """A new initializer in the node's graph, named after it."""
    assert node.graph is not None
    return new_initializer(node.graph, np.asarray(content, dtype=dtype), f"{node.name}/{name}")


def set_input(node: ir.Node, index: int, value: ir.Value | None) -> None:
    """Set an input; new inputs before it are left out."""
    if index >= len(node.inputs):
        node.resize_inputs(index + 1)
    node.replace_input_with(index, value)


def take(node: ir.Node, attribute: str, default: Any = None) -> Any:
    """Remove an attribute and return its value."""
    found = node.attributes.pop(attribute, None)
    return default if found is None else found.value


def replace_by(node: ir.Node, value: ir.Value) -> None:
    """Let `value` replace the node's first output (with its name), and remove the node."""
    old, graph = node.outputs[0], node.graph
    assert graph is not None
    value.shape, value.type = old.shape, old.type
    name, old.name = old.name, f"{old.name}.replaced"
    value.name = name
    old.replace_all_uses_with(value, replace_graph_outputs=True)
    producer = value.producer()
    graph.remove(node, safe=True)
    if producer is not None:
        producer.name = node.name


def rank_of(value: ir.Value | None) -> int | None:
    """The rank, if it is known."""
    return None if value is None or value.shape is None else len(value.shape)


def refuse(node: ir.Node, name: str, what: str, why: str, hint: str = "export with a newer opset") -> UserError:
    """The error for an old form that has no counterpart."""
    return UserError("E130", what, where=f"{name}: node {node.name!r}", why=why, hint=hint)
