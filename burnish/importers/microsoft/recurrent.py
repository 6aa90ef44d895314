"""An LSTM with quantised weights, whose inputs and hidden states are rounded to 8 bits before they are multiplied.

The states of all sequences of a batch have one range in each step, so they are rounded where one unit of the recurrent
kernel computes all of them: in batches of a known size of at most MOST_ROUNDED, without lengths. (ONNX Runtime gives
each of its threads a part of the batch, with a range of its own.) Otherwise they stay f32, which is closer to the model
before quantisation. Observed: the answers of a trained model of two layers then differ by 1 % of the largest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from burnish.importers.microsoft.call import Call, V, expands
from burnish.ops.language.node_view import ROUNDS_STATES
from burnish.ops.recurrent import MOST_ROUNDED


@expands("DynamicQuantizeLSTM", outputs=3)
def dynamic_quantize_lstm(
    op: Call,
    x: V, w: V, r: V, bias: V | None, lengths: V | None, h: V | None, c: V | None, peepholes: V | None,
    w_scale: V, w_zero: V, r_scale: V, r_zero: V,
) -> Sequence[V]:  # fmt: skip
    weights, recurrent = _weights(op, w, w_scale, w_zero), _weights(op, r, r_scale, r_zero)
    rounded = op.DequantizeLinear(*op.write("DynamicQuantizeLinear", [x], _outputs=3))
    op.note(
        f"its states are rounded to 8 bits between steps on CPUs in batches of at most {MOST_ROUNDED}, "
        "without lengths; otherwise they stay f32"
    )
    inputs = [rounded, weights, recurrent, bias, lengths, h, c, peepholes]
    results = op.write("LSTM", inputs, _outputs=3, **op.attributes())
    layer = results[0].producer()
    assert layer is not None
    layer.meta[ROUNDS_STATES] = True
    return results


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
