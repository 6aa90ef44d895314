"""Walk a model and apply the adapters."""

from __future__ import annotations

import onnx_ir as ir

from burnish.importers.upgrade.adapters import ADAPTERS
from burnish.importers.upgrade.convert import TARGET_OPSET, Adapter
from burnish.importers.upgrade.types import fill_types

MIN_IR_VERSION = 10


def upgrade(model: ir.Model, name: str) -> None:
    """Bring every node of the default domain to TARGET_OPSET, in place. A node's own version counts if it has one.

    raises:  E130 where an old form has no counterpart
    """
    imports = model.graph.opset_imports
    current = imports.get("", imports.pop("ai.onnx", TARGET_OPSET))
    nodes = list(model.graph.all_nodes())
    needs_types = any((n.version or current) < changed_in for n in nodes for changed_in, _ in _adapters(n))
    for node in nodes:
        version = node.version or (current if node.domain == "" else imports.get(node.domain, 1))
        if needs_types:
            fill_types(node, version, imports)
        for changed_in, adapter in _adapters(node):
            if version < changed_in and node.graph is not None:
                adapter(node, name)
        node.version = None
    imports[""] = TARGET_OPSET
    model.ir_version = max(model.ir_version, MIN_IR_VERSION)


def _adapters(node: ir.Node) -> tuple[tuple[int, Adapter], ...]:
    return ADAPTERS.get(node.op_type, ()) if node.domain == "" else ()
