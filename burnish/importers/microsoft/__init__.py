"""Express ONNX Runtime's own operators (domain com.microsoft), from its quantiser and optimiser, in ONNX's operators.

    @expands("QLinearLeakyRelu", alpha=0.01)
    def qlinear_leaky_relu(op: Call, x: V, x_scale: V, x_zero: V | None, y_scale: V, y_zero: V | None) -> V: ...

There is one small function per operator, from the inputs (None where left out) to the outputs. The decorator lists the
attributes: each with its default, or with its type if the node must have it.
"""

from __future__ import annotations

from burnish.importers.microsoft.expand import check_expansion, expand_microsoft, has_expansion, unknown_hint

__all__ = ["check_expansion", "expand_microsoft", "has_expansion", "unknown_hint"]
