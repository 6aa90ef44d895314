"""Check every node against its operator's schema: the operator, the numbers of inputs and outputs, the attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx
import onnx_ir as ir

from burnish.errors import UserError
from burnish.importers.microsoft import check_expansion, has_expansion, unknown_hint

BURNISH_DOMAIN = "ai.burnish"


def check_operators(model: ir.Model, name: str, keep: Callable[[str, str], bool] | None = None) -> None:
    """Check the graph, its subgraphs and functions.

    raises:  E105 a domain without an opset import, E113 unknown operator, E114 number of inputs or outputs,
             E115 attribute missing or of another type
    """
    functions = set(model.functions)
    for node in model.graph.all_nodes():
        if node.op_identifier() not in functions:
            _check_node(node, model.graph.opset_imports, name, keep)
    for function in model.functions.values():
        where = f"{name}: function {function.name!r}"
        for node in function.all_nodes():
            if node.op_identifier() not in functions:
                _check_node(node, {**model.graph.opset_imports, **function.opset_imports}, where, keep)


def describe(node: ir.Node) -> str:
    """A node's name in messages: its own name, or its type and first output if it has none."""
    if node.name:
        return f"node {node.name!r}"
    return f"node {node.op_type} -> {node.outputs[0].name if node.outputs else '?'!r}"


def _check_node(node: ir.Node, imports: Mapping[str, int], name: str, keep: Callable[[str, str], bool] | None) -> None:
    where = f"{name}: {describe(node)}"
    version = imports.get(node.domain, imports.get("ai.onnx") if node.domain == "" else None)
    known = node.domain == BURNISH_DOMAIN or (
        keep is not None and node.domain != "" and keep(node.domain, node.op_type)
    )
    if has_expansion(node.domain, node.op_type):
        check_expansion(node, where)
        return
    if known and not _is_in_schema(node, version):
        return
    if version is None:
        raise UserError(
            "E105",
            f"the model does not say which opset of domain {node.domain or 'ai.onnx'!r} it uses",
            where=where,
            why=f"opset_import has {', '.join(repr(d or 'ai.onnx') for d in imports) or 'nothing'}",
            hint="export the model again",
        )
    try:
        schema = onnx.defs.get_schema(node.op_type, version, node.domain)
    except onnx.defs.SchemaError:
        raise UserError(
            "E113",
            f"unknown operator {node.domain + '.' if node.domain else ''}{node.op_type} (opset {version})",
            where=where,
            why="ONNX does not define it, and the model has no function of that name",
            hint=unknown_hint(node.domain),
        ) from None
    _check_counts(node, schema, where)
    if node.op_type == "Constant" and node.domain == "" and len(node.attributes) != 1:
        raise UserError(
            "E115",
            f"Constant has {len(node.attributes)} attributes",
            where=where,
            why="exactly one of its attributes holds the value",
            hint="export the model again",
        )
    _check_attributes(node, schema, where)


def _is_in_schema(node: ir.Node, version: int | None) -> bool:
    """Does ONNX define the operator? Then what it says of inputs and attributes holds, whoever else knows it too."""
    return version is not None and onnx.defs.has(node.op_type, version, node.domain)


def _check_counts(node: ir.Node, schema: onnx.defs.OpSchema, where: str) -> None:
    for kind, count, low, high in (
        ("inputs", len(node.inputs), schema.min_input, schema.max_input),
        ("outputs", len(node.outputs), schema.min_output, schema.max_output),
    ):
        if not low <= count <= high:
            raise UserError(
                "E114",
                f"{node.op_type} has {count} {kind}",
                where=where,
                why=f"{node.op_type}-{schema.since_version} has {low} to {high}",
                hint="export the model again",
            )

    stated = node.attributes.get("num_outputs") if node.op_type == "Split" and node.domain == "" else None
    if stated is not None and not stated.is_ref() and stated.value != len(node.outputs):
        raise UserError(
            "E114",
            f"Split has {len(node.outputs)} outputs",
            where=where,
            why=f"its attribute num_outputs is {stated.value}",
            hint="export the model again",
        )
    missing = _missing_input(node, schema)
    if missing:
        raise UserError(
            "E114",
            f"{node.op_type} lacks its input {missing}",
            where=where,
            why=f"{node.op_type}-{schema.since_version} declares it as one that must be given; its name is empty",
            hint="export the model again",
        )


def _missing_input(node: ir.Node, schema: onnx.defs.OpSchema) -> str:
    """The name of a required input that is left out."""
    for index, value in enumerate(node.inputs):
        declared = schema.inputs[min(index, len(schema.inputs) - 1)]
        if value is None and declared.option != onnx.defs.OpSchema.FormalParameterOption.Optional:
            return repr(declared.name)
    return ""


def _check_attributes(node: ir.Node, schema: onnx.defs.OpSchema, where: str) -> None:
    for name, declared in schema.attributes.items():
        attribute = node.attributes.get(name)
        if attribute is None:
            if declared.required:
                raise UserError(
                    "E115", f"{node.op_type} lacks its attribute {name!r}", where=where, hint="export the model again"
                )
        elif attribute.type.value != declared.type.value and not attribute.is_ref():
            raise UserError(
                "E115",
                f"attribute {name!r} of {node.op_type} is {attribute.type.name}",
                where=where,
                why=f"{node.op_type}-{schema.since_version} declares it as {declared.type.name}",
                hint="export the model again",
            )
