"""An If with a constant condition is replaced by the branch that it takes.

A branch that does not fit the bound shapes stays: a run that takes it must be refused, not use the other branch.
"""

from __future__ import annotations

import onnx_ir as ir

from burnish.passes.rewrite.constants import constant_number
from burnish.passes.rewrite.context import PassContext
from burnish.passes.rewrite.rewire import free_name, names_taken, replace_value


def fold_branches(model: ir.Model, context: PassContext) -> int:
    """Inner Ifs move together with the branch that contains them. A second round folds those."""
    if not any(node.op_type == "If" for node in model.graph.all_nodes()):
        return 0
    return _fold_graph(model.graph, names_taken(model), context)


def _fold_graph(graph: ir.Graph, taken: set[str], context: PassContext) -> int:
    changes = 0
    for node in graph:
        if node.op_type == "If" and node.domain == "":
            branch = _chosen(node)
            if branch is not None:
                _inline(graph, node, branch, taken)
                changes += 1
                continue
            context.report.decline("fold_branches", str(node.name), "the condition is known only during the run")
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                changes += _fold_graph(attribute.as_graph(), taken, context)
    return changes


def _chosen(node: ir.Node) -> ir.Graph | None:
    """The branch that runs, if it is known."""
    then, otherwise = (node.attributes[name].as_graph() for name in ("then_branch", "else_branch"))
    condition = constant_number(node.inputs[0])
    return None if condition is None else then if condition else otherwise


def _inline(graph: ir.Graph, node: ir.Node, branch: ir.Graph, taken: set[str]) -> None:
    """Move the branch's constants and nodes before the If; names that would clash get the If's name as a prefix."""
    constants = list(branch.initializers.values())
    results = list(branch.outputs)
    branch.outputs.clear()
    for value in constants:
        name = free_name(f"{node.name}/{value.name}", taken)
        branch.initializers.pop(str(value.name))
        value.name = name
        graph.register_initializer(value)
    nodes = list(branch)
    branch.remove(nodes)
    for inner in nodes:
        for output in inner.outputs:
            output.name = free_name(f"{node.name}/{output.name}", taken)
    graph.insert_before(node, nodes)
    for old, new in zip(node.outputs, results, strict=True):
        replace_value(graph, old, new)
    graph.remove(node, safe=True)
