"""Inline functions: those of the model, and operators that ONNX itself defines by a function body."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import InlinePass

from burnish.errors import UserError
from burnish.importers.upgrade import upgrade

CONTROL_FLOW = frozenset({"If", "Loop", "Scan", "SequenceMap"})
MAX_DEPTH = 8


def inline_model_functions(model: ir.Model, name: str) -> None:
    """Replace every call of a model-local function by its body; each inlined node remembers its function's opset.

    raises:  E117 for functions that call themselves
    """
    if not model.functions:
        return
    default = model.graph.opset_imports.get("", 0)
    for function in model.functions.values():
        for node in function.all_nodes():
            if node.domain == "":
                node.version = function.opset_imports.get("", default)
        function.opset_imports.update({"": default} if "" in function.opset_imports else {})
        for domain in function.opset_imports:
            model.graph.opset_imports.setdefault(domain, function.opset_imports[domain])
            function.opset_imports[domain] = model.graph.opset_imports[domain]
    try:
        InlinePass()(model)
    except (ir.passes.PreconditionError, ir.passes.PassError, ValueError) as error:
        raise UserError(
            "E117",
            "the model's functions cannot be inlined",
            where=name,
            why=str(error.__cause__ or error),
            hint="a function must not call itself; export without functions",
        ) from error


def inline_defined_functions(model: ir.Model, keep: Callable[[str, str], bool], name: str) -> None:
    """Replace operators that ONNX defines by a function body by that body, unless `keep` has them.

    An operator whose body has control flow stays one node: running it in pieces has no advantage.
    """
    for _ in range(MAX_DEPTH):
        calls = [n for n in model.graph.all_nodes() if not keep(n.domain, n.op_type)]
        if not sum(_inline_call(model, node) for node in calls):
            return
        upgrade(model, name)  # a body may be written in an older opset


def _inline_call(model: ir.Model, node: ir.Node) -> bool:
    body = _function_body(node, model.graph.opset_imports.get(node.domain, 1))
    if body is None or any(n.op_type in CONTROL_FLOW for n in body.node):
        return False
    if any(a.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for a in node.attributes.values()):
        return False  # FlexAttention and the like: a graph cannot be handed to a body
    function = ir.from_proto(body)
    version = function.opset_imports.get("", 0)
    function.opset_imports.update(model.graph.opset_imports)
    for inner in function.all_nodes():
        inner.name, inner.version = f"{node.name}/{inner.op_type}", version or None
    node.resize_outputs(len(body.output))
    single = ir.Model(
        ir.Graph([], [], nodes=[], opset_imports=dict(model.graph.opset_imports), name="call"),
        ir_version=model.ir_version,
        functions=[function],
    )
    inputs = {v: ir.Value(name=v.name, shape=v.shape, type=v.type) for v in node.inputs if v is not None}
    call = ir.Node(
        node.domain,
        node.op_type,
        [None if v is None else inputs[v] for v in node.inputs],
        [*node.attributes.values(), *_default_attributes(node)],
        num_outputs=len(node.outputs),
        name=node.name,
    )
    for old, new in zip(node.outputs, call.outputs, strict=True):
        new.name = old.name
    single.graph.inputs.extend(inputs.values())
    single.graph.append(call)
    single.graph.outputs.extend(call.outputs)
    InlinePass()(single)
    _splice(node, single.graph, {new: old for old, new in inputs.items()})
    return True


def _splice(node: ir.Node, body: ir.Graph, outer: dict[ir.Value, ir.Value]) -> None:
    """Move the nodes of `body` before `node`. They read the outer values and compute the node's outputs."""
    graph = node.graph
    assert graph is not None
    results = list(body.outputs)
    body.outputs.clear()
    nodes = list(body)
    body.remove(nodes)
    for inner, value in outer.items():
        inner.replace_all_uses_with(value)
    for inner_node in nodes:
        for output in inner_node.outputs:
            if output not in results:
                output.name = f"{node.name}/{output.name}"
    graph.insert_before(node, nodes)
    for old, new in zip(node.outputs, results, strict=True):
        new = outer.get(new, new)
        new.shape, new.type, name = old.shape or new.shape, old.type or new.type, old.name
        old.name = f"{name}.replaced"
        new.name = name
        old.replace_all_uses_with(new, replace_graph_outputs=True)
    graph.remove(node, safe=True)


def _function_body(node: ir.Node, version: int) -> onnx.FunctionProto | None:
    if not onnx.defs.has(node.op_type, node.domain):
        return None
    schema = onnx.defs.get_schema(node.op_type, version, node.domain)
    content: object = None
    if schema.has_function:
        content = schema.function_body
    elif schema.has_context_dependent_function:
        if any(v is not None and v.type is None for v in node.inputs):
            return None
        types = [onnx.TypeProto() if v is None else ir.to_proto(v).type for v in node.inputs]
        try:
            content = schema.get_context_dependent_function(
                ir.to_proto(node).SerializeToString(), [t.SerializeToString() for t in types]
            )
        except (RuntimeError, ValueError):  # a node that is not valid is refused later, with its reason
            return None
    if not content:
        return None
    function = onnx.FunctionProto()
    if isinstance(content, bytes):
        function.ParseFromString(content)
    else:
        function.CopyFrom(content)
    return _without_missing_outputs(function, node)


def _default_attributes(node: ir.Node) -> list[ir.Attr]:
    """Default attributes: the call leaves them out, but the body refers to them."""
    declared = onnx.defs.get_schema(node.op_type, node.domain).attributes
    missing = [a for name, a in declared.items() if name not in node.attributes]
    return [ir.from_proto(a.default_value) for a in missing if a.default_value.name]


def _without_missing_outputs(function: onnx.FunctionProto, node: ir.Node) -> onnx.FunctionProto | None:
    """Drop outputs that a body lists but does not compute: a body made for its call omits unused optional outputs."""
    produced = {name for inner in function.node for name in inner.output}
    while function.output and function.output[-1] not in produced:
        function.output.pop()
    used = [i for i, value in enumerate(node.outputs) if value.uses() or value.is_graph_output()]
    if not used or max(used) >= len(function.output) or any(o not in produced for o in function.output):
        return None
    del function.output[len(node.outputs) :]
    return function
