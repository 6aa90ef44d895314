"""Walk a model and apply the adapters."""

from __future__ import annotations

import onnx_ir as ir

from burnish.importers.upgrade.adapters import ADAPTERS
from burnish.importers.upgrade.convert import TARGET_OPSET

MIN_IR_VERSION = 10


def upgrade(model: ir.Model, name: str) -> None:
    """Bring every node of the default domain to TARGET_OPSET, in place; a node's own version counts where it has one.

    raises:  E130 where an old form has no counterpart
    """
    imports = model.graph.opset_imports
    current = imports.get("", imports.pop("ai.onnx", TARGET_OPSET))
    for node in list(model.graph.all_nodes()):
        version = node.version or current
        for changed_in, adapter in ADAPTERS.get(node.op_type, ()) if node.domain == "" else ():
            if version < changed_in and node.graph is not None:
                adapter(node, name)
        node.version = None
    imports[""] = TARGET_OPSET
    model.ir_version = max(model.ir_version, MIN_IR_VERSION)
