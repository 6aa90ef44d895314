"""Every node gets a unique, stable name: its own, or OpType_N, where N is its position among all nodes."""

from __future__ import annotations

import onnx_ir as ir


def name_nodes(model: ir.Model) -> None:
    """Name the unnamed nodes, and number those whose name was taken; outer nodes before those of their subgraphs."""
    nodes = [*model.graph.all_nodes(), *(n for f in model.functions.values() for n in f.all_nodes())]
    taken: set[str] = set()
    for i, node in enumerate(nodes):
        base = node.name or f"{node.op_type}_{i}"
        name, n = base, 0
        while name in taken:
            n += 1
            name = f"{base}_{n}"
        taken.add(name)
        node.name = name
