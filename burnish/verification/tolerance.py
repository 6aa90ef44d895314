"""How much two right answers may differ, derived from the dtype and the number of roundings between input and output.

A rounding is off by at most u relative to the value (u = 2^-24 for f32), and independent roundings add up like a random
walk. Along the longest path through the graph, with L layers that store a rounded result and D terms summed in all,

    tolerance = C * (u_store * sqrt(L) + u_sum * sqrt(D))        relative to the largest magnitude of the output

C = 8 leaves room for values that cancel and for algorithms with larger constants (Winograd); u_sum is f32's u for
16-bit floats, which are summed in f32. ResNet-50 in f32: L 120, D 60,000 -> 1.2e-4; seen 2e-6.

The tolerance never exceeds 0.8 %: a gate that accepts a result that is 1 % wrong is useless. If a model quantises
(QuantizeLinear), a value at a rounding border may fall to either side. Then the tolerance applies only to the root mean
square, not to single elements; 8-bit outputs may differ by one step. Other integers, bools and strings must be equal.

A plan in a lower precision than its model's (--fp16, --bf16) rounds each layer's result to that type, u_store = 2^-11
or 2^-8. In a deep network this can move one element by more than 0.8 %. Roundings go up as often as down, so they must
not change the output as a whole. Three limits hold: 5 % for elements, a third of that for the root mean square, and
0.4 % between 1 and the factor that best fits the output to the oracle's. Seen: BERT-Base, all tensors bf16: 1.7 %,
1.2 %; weights alone 0.33 %, 0.36 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes

from burnish.dtypes import DType

SAFETY = 8.0
HIGHEST = 0.008
HIGHEST_NARROW = 0.05  # of a plan in a lower precision: single elements ...
RMS_SHARE = 3  # ... the root mean square's share of it, and the factor's largest distance from 1
HIGHEST_GAIN = 0.004
UNKNOWN_SUM = 1024  # terms of a sum whose length the graph does not state
_SUMS = {"Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum", "Attention", "LSTM", "GRU", "RNN"}
_REDUCES = {"ReduceSum", "ReduceMean", "ReduceL2", "GlobalAveragePool", "Softmax", "LogSoftmax", "LayerNormalization"}
_EXACT = {
    "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Concat", "Slice", "Gather", "Identity", "Split", "Flatten",
    "Relu", "MaxPool", "Shape", "Constant", "Cast", "Expand", "Pad", "Where", "Max", "Min", "Clip", "ConstantOfShape",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tolerance:
    """relative: of the output's largest magnitude. quantised: single elements may be a step off.

    is_narrow: the plan rounds to a lower precision than the model's, which has three limits (above)
    """

    relative: float
    quantised: bool = False
    layers: int = 0
    terms: int = 0
    is_narrow: bool = False

    def narrowed(self, values: DType) -> Tolerance:
        """The tolerance for a plan that keeps values in a narrower float than the model. Exact outputs stay exact."""
        if not self.relative:
            return self
        rounded = SAFETY * unit_roundoff(values) * math.sqrt(max(self.layers, 1))
        return replace(self, relative=max(self.relative, min(HIGHEST_NARROW, rounded)), is_narrow=True)

    def widened(self, sensitivity: float) -> Tolerance:
        """At least four times the change of the right answer itself (conditioning.py), at most HIGHEST; 0 stays 0."""
        if not self.relative:
            return self
        return replace(self, relative=max(self.relative, min(HIGHEST, 4 * sensitivity)))


def unit_roundoff(dtype: DType) -> float:
    """The largest relative error of one rounding to a float type: half a unit in the last place of 1."""
    return 2.0 ** -(int(ml_dtypes.finfo(dtype.numpy).nmant) + 1)


def tolerance_for(dtype: DType, layers: int, terms: int) -> float:
    """The formula above; 0 for types that must be equal."""
    if dtype in (DType.C64, DType.C128):
        dtype = DType.F32 if dtype is DType.C64 else DType.F64
    if not dtype.is_float:
        return 0.0
    store = unit_roundoff(dtype)
    added = min(store, unit_roundoff(DType.F32))
    return min(HIGHEST, SAFETY * (store * math.sqrt(max(layers, 1)) + added * math.sqrt(max(terms, 1))))


def derive_tolerance(graph: Any, dtype: DType, output: str) -> Tolerance:
    """For one output of an onnx GraphProto: the depth of its longest path.

    dtype: the narrowest float on the path counts; pass the output's own, or the model's if that is narrower
    """
    weights = {t.name: tuple(t.dims) for t in graph.initializer}
    depth: dict[str, tuple[int, int]] = {}
    for node in graph.node:
        layers, terms = _work(node, weights)
        before = [depth[name] for name in node.input if name in depth]
        most = (max((d[0] for d in before), default=0) + layers, max((d[1] for d in before), default=0) + terms)
        depth.update(dict.fromkeys(node.output, most))
    layers, terms = depth.get(output, (0, 0))
    return Tolerance(tolerance_for(dtype, layers, terms), _quantises(graph), layers, terms)


def narrowest(dtypes: Iterable[DType]) -> DType:
    """The float with the coarsest rounding; f32 if there is none."""
    floats = [d for d in dtypes if d.is_float]
    return max(floats, key=unit_roundoff, default=DType.F32)


def _work(node: Any, weights: dict[str, tuple[int, ...]]) -> tuple[int, int]:
    """(rounded stores, summed terms) that a node adds to a path."""
    inner = [a.g for a in node.attribute if a.HasField("g")]
    if inner:
        per_graph = [
            [_work(n, weights | {t.name: tuple(t.dims) for t in g.initializer}) for n in g.node] for g in inner
        ]
        return max(sum(w[0] for w in g) for g in per_graph), max(sum(w[1] for w in g) for g in per_graph)
    if node.op_type in _EXACT:
        return 0, 0
    if node.op_type == "DynamicQuantizeLSTM":  # the oracle rounds its states to 8 bits, a plan may not
        return round((2.0**-9 / unit_roundoff(DType.F32)) ** 2), 0
    if node.op_type in _SUMS:
        shape = weights.get(node.input[1], ()) if len(node.input) > 1 else ()
        if not shape:
            return 1, UNKNOWN_SUM
        if node.op_type in ("Conv", "ConvTranspose"):
            return 1, math.prod(shape[1:])
        if node.op_type in ("LSTM", "GRU", "RNN"):  # errors feed back through the steps
            return 64, 64 * math.prod(shape[2:])
        return 1, max(shape[-2:])
    return 1, UNKNOWN_SUM if node.op_type in _REDUCES else 1


def _quantises(graph: Any) -> bool:
    return any(node.op_type.startswith(("Q", "Dynamic")) and node.op_type != "QuickGelu" for node in graph.node)
