"""Compute nodes that depend only on constants at build time, with the evaluator of runs (`burnish.reference`).

A constant is left to the run if it is larger than the limit of the context, and larger than all its inputs together.
Dequantised weights stay quantised. Random nodes are not folded.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import onnx
import onnx_ir as ir

from burnish.passes.rewrite.constants import Array, constant_array, is_constant
from burnish.passes.rewrite.context import PassContext
from burnish.passes.rewrite.rewire import replace_by_constant
from burnish.reference.evaluator import evaluator

RANDOM = frozenset({
    "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
})  # fmt: skip
NEVER = RANDOM | {"Constant", "DequantizeLinear", "Identity"}


def fold_constants(model: ir.Model, context: PassContext) -> int:
    """One walk in order, including subgraphs, so whole chains fold."""
    return _fold_graph(model.graph, model.graph.opset_imports, context)


def _fold_graph(graph: ir.Graph, opsets: dict[str, int], context: PassContext) -> int:
    changes = 0
    for node in graph:
        if _is_foldable(node):
            arrays = _evaluate(node, opsets, context)
            if arrays is not None:
                for value, array in zip(node.outputs, arrays, strict=True):
                    if value.uses() or value.is_graph_output():  # an output that is left out has no name
                        replace_by_constant(value, array)
                graph.remove(node, safe=True)
                changes += 1
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                changes += _fold_graph(attribute.as_graph(), opsets, context)
    return changes


def _is_foldable(node: ir.Node) -> bool:
    return (
        node.domain in ("", "ai.onnx.ml")
        and node.op_type not in NEVER
        and all(v is None or is_constant(v) for v in node.inputs)
        and not any(a.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for a in node.attributes.values())
        and not (node.op_type == "Dropout" and len(node.inputs) > 2)
    )


def _evaluate(node: ir.Node, opsets: dict[str, int], context: PassContext) -> list[Array] | None:
    """The outputs, or None with the reason noted."""
    limit = max(context.fold_limit_bytes, sum(_content_bytes(v) for v in node.inputs if v))
    expected = sum(_size_bytes(v) for v in node.outputs)
    if expected > limit:
        _decline(node, context, f"the result of {expected} bytes is larger than {limit}")
        return None
    try:
        arrays = run_reference(node, opsets)
    except (
        Exception
    ) as error:  # any failure of the evaluator leaves the node to the run, which reports it if it is real
        _decline(node, context, f"the reference evaluator says: {' '.join(str(error).split())[:200]}")
        return None
    if any(not isinstance(a, np.ndarray | np.generic) for a in arrays):
        _decline(node, context, "the result is no tensor")
        return None
    if sum(a.nbytes for a in arrays) > limit:
        _decline(node, context, f"the result is larger than {limit} bytes")
        return None
    return [_in_declared_dtype(value, np.asarray(a)) for value, a in zip(node.outputs, arrays, strict=True)]


def run_reference(node: ir.Node, opsets: dict[str, int]) -> list[Array]:
    """Evaluate one node whose inputs are all constants."""
    inputs = list(dict.fromkeys(v for v in node.inputs if v is not None))
    return reference_of([node], inputs, node.outputs, opsets)([constant_array(v) for v in inputs])


def reference_of(
    nodes: Sequence[ir.Node], inputs: Sequence[ir.Value], outputs: Sequence[ir.Value], opsets: dict[str, int]
) -> Callable[[Sequence[Array | None]], list[Array]]:
    """Nodes without subgraphs, in order, as one function: from the content of inputs to that of outputs."""
    names: dict[ir.Value, str] = {}
    protos = []
    for node in nodes:
        proto = ir.to_proto(node)
        del proto.input[:], proto.output[:]
        proto.input.extend("" if v is None else names.setdefault(v, f"v{len(names)}") for v in node.inputs)
        proto.output.extend(names.setdefault(v, f"v{len(names)}") for v in node.outputs)
        protos.append(proto)
    unknown = onnx.TypeProto()
    surface = [[names.setdefault(v, f"v{len(names)}") for v in values] for values in (inputs, outputs)]
    infos = [[onnx.helper.make_value_info(name, unknown) for name in group] for group in surface]
    imports = [onnx.helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    graph = onnx.helper.make_graph(protos, "constant", *infos)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runs = evaluator(onnx.helper.make_model(graph, opset_imports=imports))

    def run(arrays: Sequence[Array | None]) -> list[Array]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(runs.run(None, dict(zip(surface[0], arrays, strict=True))))

    return run


def _in_declared_dtype(value: ir.Value, array: Array) -> Array:
    """Convert outputs to the model's dtype: the evaluator computes a few operators in float64."""
    if value.dtype is None or array.dtype == object or array.dtype.kind in "SU":
        return array
    return array.astype(value.dtype.numpy(), copy=False)


def _size_bytes(value: ir.Value) -> int:
    if value.shape is None or value.dtype is None or not all(isinstance(d, int) for d in value.shape):
        return 0
    count = 1
    for d in value.shape:
        count *= int(d)  # type: ignore[arg-type]
    return (count * value.dtype.bitwidth + 7) // 8 if value.dtype != ir.DataType.STRING else 0


def _content_bytes(value: ir.Value) -> int:
    """0 for strings, whose bytes are not counted."""
    tensor = value.const_value
    return 0 if tensor is None or tensor.dtype == ir.DataType.STRING else tensor.nbytes


def _decline(node: ir.Node, context: PassContext, reason: str) -> None:
    context.report.decline("fold_constants", str(node.name), reason)
