"""Turn constants behind a DequantizeLinear into f32 weights.

    Conv(x, DequantizeLinear(w_i8, scale, zero))  ->  Conv(x, w_f32)        w_f32 = (w_i8 - zero) * scale

    MatMulNBits(x, w, scale, zero, bias)            ->  MatMul(x, w_f32) + bias          for targets without its kernels

The same value, bit for bit. This is the last pass, so all others see which weights are quantised.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.ops.few_bits import unpack_codes, zero_points
from burnish.passes.fold_constants import run_reference
from burnish.passes.quantised.pack_weights import DOMAIN
from burnish.passes.rewrite.constants import Array, constant_array, is_constant, new_initializer
from burnish.passes.rewrite.context import PassContext
from burnish.passes.rewrite.rewire import replace_by_constant, replace_value


def dequantize_weights(model: ir.Model, context: PassContext) -> int:
    """Returns how many nodes changed."""
    changes = 0
    for node in list(model.graph.all_nodes()):
        if (node.op_type, node.domain) == ("MatMulNBits", DOMAIN) and not context.blocked_weights:
            _spell_out(node)
            changes += 1
        if node.op_type == "DequantizeLinear" and all(v is None or is_constant(v) for v in node.inputs):
            try:
                (array,) = run_reference(node, model.graph.opset_imports)
            except Exception as error:  # whatever it is, the node is left to its definition, which refuses it
                context.report.decline("dequantize_weights", str(node.name), " ".join(str(error).split())[:200])
                continue
            replace_by_constant(node.outputs[0], array)
            assert node.graph is not None
            node.graph.remove(node, safe=True)
            changes += 1
    return changes


def _spell_out(node: ir.Node) -> None:
    """Write the product as MatMul, and Add for its bias."""
    x, bias, old, graph = node.inputs[0], (*node.inputs, None, None, None)[5], node.outputs[0], node.graph
    assert graph is not None
    weight = new_initializer(graph, _dequantised(node), f"{node.name}.weight")
    nodes = [ir.Node("", "MatMul", [x, weight], name=node.name)]
    if bias is not None:
        nodes[0].outputs[0].type, nodes[0].outputs[0].shape = old.type, old.shape
        nodes.append(ir.Node("", "Add", [nodes[0].outputs[0], bias], name=f"{node.name}/Add"))
        nodes[0].outputs[0].name = f"{old.name}/product"
    graph.insert_before(node, nodes)
    replace_value(graph, old, nodes[-1].outputs[0], made_here=True)
    graph.remove(node, safe=True)


def _dequantised(node: ir.Node) -> Array:
    """[K, N], in the type of the scales."""
    bits, size, depth = (node.attributes[name].as_int() for name in ("bits", "block_size", "K"))
    codes, scale, zero = (constant_array(v) for v in (*node.inputs[1:4], None)[:3])
    assert codes is not None and scale is not None
    columns, blocks = codes.shape[:2]
    if zero is None:
        zero = np.full((columns, blocks), 1 << (bits - 1), np.float32)
    else:
        zero = zero_points(zero, bits, columns, blocks)
    wide = (np.repeat(a.reshape(columns, blocks).astype(np.float32), size, 1)[:, :depth] for a in (zero, scale))
    (shift, factor), numbers = wide, unpack_codes(codes.reshape(columns, -1), bits)[:, :depth]
    weight: Array = np.ascontiguousarray(((numbers.astype(np.float32) - shift) * factor).T)
    return weight.astype(scale.dtype)
