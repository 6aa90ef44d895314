"""Replace all calls of ONNX Runtime's operators by their expansions."""

from __future__ import annotations

import importlib
import itertools
from functools import cache

import onnx_ir as ir

from burnish.errors import UserError
from burnish.importers.microsoft.call import DOMAIN, TABLE, Call, Expansion
from burnish.importers.upgrade.types import fill_types

FAMILIES = ("quantised", "products", "recurrent", "transformers", "attention")
TYPES = {int: "INT", float: "FLOAT", str: "STRING", tuple: "INTS"}


@cache
def _table() -> dict[str, Expansion]:
    for family in FAMILIES:
        importlib.import_module(f"burnish.importers.microsoft.{family}")
    return TABLE


def has_expansion(domain: str, op_type: str) -> bool:
    """Whether the table has the operator."""
    return domain == DOMAIN and op_type in _table()


def check_expansion(node: ir.Node, where: str) -> None:
    """Check a node against the table, as `check_operators` does with the schemas of ONNX.

    raises:  E114 number of inputs or outputs, E115 attribute missing or of another type
    """
    found = _table()[node.op_type]
    given = [v is not None for v in node.inputs] + [False] * (len(found.needs) - len(node.inputs))
    missing = [i for i, (has, needs) in enumerate(zip(given, found.needs)) if needs and not has]
    if missing or (len(given) > len(found.needs) and not found.is_open) or len(node.outputs) > found.outputs:
        raise UserError(
            "E114",
            f"{node.op_type} has {len(node.inputs)} inputs and {len(node.outputs)} outputs",
            where=where,
            why=f"input {missing[0]} must be given"
            if missing
            else f"{DOMAIN}.{node.op_type} has at most {len(found.needs)} and {found.outputs}",
            hint="export the model again",
        )
    for name, default in found.attributes.items():
        wanted = TYPES[default if isinstance(default, type) else type(default)]
        attribute = node.attributes.get(name)
        if attribute is None and isinstance(default, type):
            raise UserError(
                "E115", f"{node.op_type} lacks its attribute {name!r}", where=where, hint="export the model again"
            )
        if attribute is not None and not attribute.is_ref() and attribute.type.name != wanted:
            raise UserError(
                "E115",
                f"attribute {name!r} of {node.op_type} is {attribute.type.name}",
                where=where,
                why=f"{DOMAIN}.{node.op_type} declares it as {wanted}",
                hint="export the model again",
            )


def expand_microsoft(model: ir.Model, name: str) -> list[str]:
    """Expand every call, in place; new nodes have the newest opset. Returns notes on the answers.

    raises:  E113 a form that ONNX's operators cannot express
    """
    nodes, notes = list(model.graph.all_nodes()), list[str]()
    if not any(has_expansion(n.domain, n.op_type) for n in nodes):
        return notes
    imports, numbers = model.graph.opset_imports, itertools.count()
    for node in nodes:
        if has_expansion(node.domain, node.op_type):
            _expand(node, Call(node, name, imports, _table()[node.op_type], notes, numbers))
        else:
            fill_types(node, node.version or imports.get(node.domain, 1), imports)
    return notes


def _expand(node: ir.Node, op: Call) -> None:
    expansion = _table()[node.op_type]
    inputs = [*node.inputs, *[None] * (len(expansion.needs) - len(node.inputs))]
    results = expansion.make(op, *inputs)
    values = [results] if isinstance(results, ir.Value) else list(results)
    graph = node.graph
    assert graph is not None
    for index, old in enumerate(node.outputs):
        new = values[index] if index < len(values) else None
        if new is None:
            if old.uses() or old.is_graph_output():
                raise op.refuse(f"its output {old.name} is used")
            continue
        label, old.name = old.name, f"{old.name}.replaced"
        new.name, new.type, new.shape = label, new.type or old.type, new.shape or old.shape
        old.replace_all_uses_with(new, replace_graph_outputs=True)
    graph.remove(node, safe=True)


def unknown_hint(domain: str) -> str:
    """Advice for an operator that is neither ONNX's nor in the table."""
    if domain.startswith(DOMAIN):
        return "ONNX Runtime's optimiser or quantiser wrote this operator: give the model from before that step"
    return "export with standard operators, or with the operator as a model-local function"
