"""Turn constants behind a DequantizeLinear into f32 weights.

    Conv(x, DequantizeLinear(w_i8, scale, zero))  ->  Conv(x, w_f32)        w_f32 = (w_i8 - zero) * scale

The same value, bit for bit. This is the last pass, so all others see which weights are quantised. It will be removed
when the targets have kernels that read quantised weights directly.
"""

from __future__ import annotations

import onnx_ir as ir

from burnish.passes.fold_constants import run_reference
from burnish.passes.rewrite.constants import is_constant
from burnish.passes.rewrite.context import PassContext
from burnish.passes.rewrite.rewire import replace_by_constant


def dequantize_weights(model: ir.Model, context: PassContext) -> int:
    """Returns how many DequantizeLinear nodes became constants."""
    changes = 0
    for node in list(model.graph.all_nodes()):
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
