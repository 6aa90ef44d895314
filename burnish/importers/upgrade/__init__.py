"""Upgrade every node to one opset, so each operator has one form in all later parts of Burnish.

An adapter rewrites a node of an older version into the newest form. `ADAPTERS` lists, for an operator, the version that
changed it and the adapter to apply to nodes older than that. Operators whose versions differ only in types need none.
Adapters work on `onnx_ir` nodes, so subgraphs are upgraded like any graph (ONNX's own converter leaves them alone).
"""

from __future__ import annotations

from burnish.importers.upgrade.adapters import ADAPTERS
from burnish.importers.upgrade.convert import TARGET_OPSET, Adapter
from burnish.importers.upgrade.walk import upgrade

__all__ = ["ADAPTERS", "TARGET_OPSET", "Adapter", "upgrade"]
