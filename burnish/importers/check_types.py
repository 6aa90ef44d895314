"""Check every node's input types against its operator's schema, which ONNX's shape inference does not."""

from __future__ import annotations

from functools import cache

import onnx
import onnx_ir as ir

from burnish.errors import UserError
from burnish.importers.check_operators import describe


def check_types(model: ir.Model, name: str) -> None:
    """Check all nodes, including those in subgraphs. Values of unknown type pass.

    raises:  E131 for an input of a type that the operator does not accept
    """
    imports = model.graph.opset_imports
    for node in model.graph.all_nodes():
        _check_bit_cast(node, name)
        allowed = _allowed(node.op_type, imports.get(node.domain, 1), node.domain)
        for index, value in enumerate(node.inputs if allowed else ()):
            types = allowed[min(index, len(allowed) - 1)]
            if value is None or not isinstance(value.type, ir.TensorType) or not types:
                continue
            if (given := f"tensor({value.type.dtype.name.lower()})") not in types:
                raise UserError(
                    "E131",
                    f"{node.op_type} does not take {given}",
                    where=f"{name}: {describe(node)}, input '{value.name}'",
                    why=f"it takes {', '.join(sorted(types))}",
                    hint="export the model again; check it with onnx.checker",
                )


def _check_bit_cast(node: ir.Node, name: str) -> None:
    """Check a BitCast's widths: ONNX's inference allows them to differ, but the operator does not."""
    x, to = node.inputs[0] if node.inputs else None, node.attributes.get("to")
    if node.op_type != "BitCast" or node.domain != "" or x is None or x.dtype is None or to is None:
        return
    if to.as_int() not in {t.value for t in ir.DataType}:
        raise UserError(
            "E131",
            f"BitCast to the element type {to.as_int()}, which does not exist",
            where=f"{name}: {describe(node)}",
            hint="export the model again; check it with onnx.checker",
        )
    wanted = ir.DataType(to.as_int())
    if ir.DataType.STRING in (wanted, x.dtype) or wanted.bitwidth == x.dtype.bitwidth:
        return
    raise UserError(
        "E131",
        f"BitCast from {x.dtype.name} to {wanted.name} changes the width",
        where=f"{name}: {describe(node)}, input '{x.name}'",
        why=f"an element of {x.dtype.bitwidth} bits does not fill one of {wanted.bitwidth}",
        hint="export the model again; check it with onnx.checker",
    )


@cache
def _allowed(op_type: str, version: int, domain: str) -> tuple[frozenset[str], ...]:
    """The allowed types of each input. None for an operator that ONNX does not know."""
    try:
        schema = onnx.defs.get_schema(op_type, version, domain)
    except onnx.defs.SchemaError:
        return ()
    named = {c.type_param_str: frozenset(c.allowed_type_strs) for c in schema.type_constraints}
    return tuple(named.get(formal.type_str, frozenset({formal.type_str})) for formal in schema.inputs)
