"""ONNX Runtime's own operators (domain com.microsoft), as its quantiser and optimiser write them, in ONNX's operators.

    @expands("QLinearLeakyRelu", alpha=0.01)
    def qlinear_leaky_relu(op: Call, x: V, x_scale: V, x_zero: V | None, y_scale: V, y_zero: V | None) -> V: ...

One small function an operator, from the inputs (None where left out) to the outputs. Its attributes stand in the
decorator, each with its default, or with its type where the node must have it.
"""

from __future__ import annotations

from burnish.importers.microsoft.expand import check_expansion, expand_microsoft, has_expansion, unknown_hint

__all__ = ["check_expansion", "expand_microsoft", "has_expansion", "unknown_hint"]
