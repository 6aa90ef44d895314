"""Keep weights in f16 or bf16 and compute in f32, for targets without arithmetic of that width.

    MatMul(x, w)  ->  MatMul(x, w')    w' = w rounded to the type, but written f32: lowering keeps a packed
                                       constant in the narrowest float that holds all its values
    Gather(w, i)  ->  Cast(Gather(w' f16, i))

Error: one rounding per weight, u = 2^-11 (f16) or 2^-8 (bf16); activations stay f32. Where few rows wait for weights
from memory, half the bytes are read in half the time. Otherwise the target widens them when it packs them, and every
choice is that of f32: never slower. Runs after the fusing passes, before `infer`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import onnx_ir as ir

from burnish.dtypes import DType
from burnish.ops.branches import sides_agree, sides_of
from burnish.ops.inference.infer import Inferred
from burnish.ops.language.definition import Tensor
from burnish.passes.rewrite.constants import constant_array, is_constant, new_initializer
from burnish.precision.constants import misfit, narrowed
from burnish.precision.precision import ASKED, Decision
from burnish.precision.roles import reason_kept

PRODUCTS = frozenset({"MatMul", "Gemm", "Conv"})
WEIGHTS = " weights"  # how the types of such nodes end in a decision


def round_weights(
    graph: ir.Graph, found: Inferred, to: DType, kept: Collection[ir.Node] = frozenset()
) -> list[Decision]:
    """Rewrite the graph and sides of Ifs in place. Returns a decision for each node that computes on f32 values.

    kept: nodes whose weights stay f32
    """
    tensors, rounded, decisions = found.tensors, dict[ir.Value, ir.Value](), list[Decision]()
    for node in _each_node(graph, found):
        touched = [v for v in (*node.inputs, *node.outputs) if v is not None and v in tensors]
        if not any(tensors[v].dtype is DType.F32 for v in touched):
            continue
        now, why = ("f32", ASKED) if node in kept else _decide(graph, node, tensors, to, rounded)
        decisions.append(Decision(node.name or "", node.op_type, "f32", now, why))
    return decisions


def _each_node(graph: ir.Graph, found: Inferred) -> Iterator[ir.Node]:
    """The nodes of a graph, and of the sides of its Ifs that run natively."""
    for node in list(graph):
        if node.op_type == "If" and not node.domain and sides_agree(node, found):
            for side in sides_of(node):
                yield from _each_node(side, found) if side not in found.impossible else ()
        yield node


def _decide(
    graph: ir.Graph, node: ir.Node, tensors: Mapping[ir.Value, Tensor], to: DType, rounded: dict[ir.Value, ir.Value]
) -> tuple[str, str]:
    place = 1 if node.op_type in PRODUCTS else 0
    if node.op_type == "MatMulNBits":
        return "f32", reason_kept(node.op_type, node.domain)
    if not (node.op_type in PRODUCTS or node.op_type == "Gather") or node.domain not in ("", "ai.onnx"):
        return "f32", "the target computes in f32, and only weights are kept in fewer bits"
    weight = node.inputs[place]
    if weight is None or not is_constant(weight) or tensors[weight].dtype is not DType.F32:
        return "f32", "the target computes in f32, and the node has no constant weight"
    array = constant_array(weight)
    assert array is not None
    if reason := misfit(array, to):
        return "f32", f"constant {weight.name} {reason}"
    if weight not in rounded:
        short = narrowed(array, to)
        kept = short if node.op_type == "Gather" else short.astype(np.float32)
        rounded[weight] = new_initializer(graph, kept, f"{weight.name}/{to.value}")
    node.replace_input_with(place, rounded[weight])
    if node.op_type == "Gather":
        _widen_after(node, to)
    why = "the target computes in f32; weights are rounded, and lie in 16 bits where that is faster"
    return f"{to.value}{WEIGHTS}", why


def _widen_after(node: ir.Node, to: DType) -> None:
    """Cast the values of a table back to f32, under their old name."""
    old = node.outputs[0]
    if old.dtype is not None and old.dtype != ir.DataType.FLOAT:
        return
    cast = ir.node("Cast", [old], attributes={"to": int(ir.DataType.FLOAT)}, name=f"{node.name}/f32")
    new = cast.outputs[0]
    new.shape, new.type, new.name = old.shape, ir.TensorType(ir.DataType.FLOAT), old.name
    old.name, old.type = f"{old.name}/{to.value}", ir.TensorType(ir.DataType(to.onnx))
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    cast.replace_input_with(0, old)
    assert node.graph is not None
    node.graph.insert_after(node, cast)
