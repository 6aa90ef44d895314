"""An LSTM with quantised weights, whose inputs are rounded to 8 bits.

ONNX Runtime also rounds the states between steps. Here they stay f32, which is closer to the model before quantisation.
Observed: the answers of a trained model of two layers differ by 1 % of the largest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from burnish.importers.microsoft.call import Call, V, expands


@expands("DynamicQuantizeLSTM", outputs=3)
def dynamic_quantize_lstm(
    op: Call,
    x: V, w: V, r: V, bias: V | None, lengths: V | None, h: V | None, c: V | None, peepholes: V | None,
    w_scale: V, w_zero: V, r_scale: V, r_zero: V,
) -> Sequence[V]:  # fmt: skip
    weights, recurrent = _weights(op, w, w_scale, w_zero), _weights(op, r, r_scale, r_zero)
    rounded = op.DequantizeLinear(*op.write("DynamicQuantizeLinear", [x], _outputs=3))
    op.note("its states stay f32 between steps, where ONNX Runtime rounds them to 8 bits")
    inputs = [rounded, weights, recurrent, bias, lengths, h, c, peepholes]
    return op.write("LSTM", inputs, _outputs=3, **op.attributes())


def _weights(op: Call, weights: V, scale: V, zero: V) -> V:
    """[directions, in, 4 * hidden] in 8 bits, with one scale or one per direction or per column, as ONNX has them."""
    rank = op.rank(scale)
    if rank == 0:
        real = op.DequantizeLinear(weights, scale, zero)
    else:
        axes = op.constant([1, 2] if rank == 1 else [1], "axes", np.int64)
        centred = op.Sub(op.CastLike(weights, scale), op.CastLike(op.Unsqueeze(zero, axes), scale))
        real = op.Mul(centred, op.Unsqueeze(scale, axes))
    return op.Transpose(real, perm=[0, 2, 1])
