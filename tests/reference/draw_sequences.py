"""Random nodes over sequences and places: recurrences, attention, selection, scattering, spectra."""

from __future__ import annotations

from typing import Any

import numpy as np

from .draw import Array, Case, Random, draws, floats, one_of, some


def _recurrent(r: Random, op_type: str, gates: int, activations: int, **more: Any) -> Case:
    time, batch, width, hidden = (int(r.integers(1, 5)) for _ in range(4))
    direction = one_of(r, "forward", "reverse", "bidirectional")
    d = 2 if direction == "bidirectional" else 1
    layout = 0
    lengths = r.integers(1, time + 1, batch).astype(np.int32)
    kinds = ["Relu", "Tanh", "Sigmoid", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu",
             "Softsign", "Softplus"]  # fmt: skip
    names = [one_of(r, *kinds) for _ in range(activations * d)]
    parameters = {"activation_alpha": [0.3] * len(names), "activation_beta": [0.2] * len(names)}
    attributes = {"hidden_size": hidden, "direction": direction, **some(r, clip=0.5, **more)}
    if r.random() < 0.5:
        attributes |= {"activations": names, **parameters}
    inputs: list[Array | None] = [
        floats(r, time, batch, width),
        floats(r, d, gates * hidden, width),
        floats(r, d, gates * hidden, hidden),
        one_of(r, None, floats(r, d, 2 * gates * hidden)),
        one_of(r, None, lengths),
        one_of(r, None, floats(r, d, batch, hidden)),
    ]
    if op_type == "LSTM":
        inputs += [one_of(r, None, floats(r, d, batch, hidden)), one_of(r, None, floats(r, d, 3 * hidden))]
    outputs = ("y", "h", "c") if op_type == "LSTM" else ("y", "h")
    return Case(op_type, tuple(inputs), {**attributes, **({"layout": layout} if layout else {})}, outputs)


@draws
def lstm(r: Random) -> Case:
    return _recurrent(r, "LSTM", 4, 3, input_forget=1)


@draws
def gru(r: Random) -> Case:
    return _recurrent(r, "GRU", 3, 2, linear_before_reset=1)


@draws
def rnn(r: Random) -> Case:
    return _recurrent(r, "RNN", 1, 1)


@draws
def unique(r: Random) -> Case:
    shape = (4, 5)
    x = r.integers(0, one_of(r, 2, 4), shape).astype(one_of(r, np.float32, np.int64))
    attributes = {**some(r, sorted=0)}
    if r.random() < 0.6:
        attributes["axis"] = int(r.integers(-2, 2))
    return Case("Unique", (x,), attributes, ("y", "i", "inv", "n"))


@draws
def non_max_suppression(r: Random) -> Case:
    batch, classes, count = 2, 2, int(r.integers(3, 9))
    corner = r.random((batch, count, 2)) * 3
    boxes = np.concatenate([corner, corner + r.random((batch, count, 2)) * 2], 2).astype(np.float32)
    if r.random() < 0.3:
        boxes = boxes[..., [2, 1, 0, 3]]
    scores = (r.integers(0, 10, (batch, classes, count)) / 10).astype(np.float32)
    inputs = [boxes, scores]
    limits = (np.array([int(r.integers(0, 4))]), np.array([0.3], np.float32), np.array([0.4], np.float32))
    inputs += [one_of(r, None, limit, limit) for limit in limits][: int(r.integers(0, 4))]
    return Case("NonMaxSuppression", tuple(inputs), some(r, center_point_box=int(r.integers(2))))


@draws
def one_hot(r: Random) -> Case:
    kind = one_of(r, np.int64, np.float32)
    indices = (r.integers(-8, 9, (2, 3)) / (1 if kind != np.float32 else 2)).astype(kind)
    depth = np.array(4, kind)
    values = np.array([2, 5], kind)
    return Case("OneHot", (indices, depth, values), some(r, axis=int(r.integers(-3, 3))), constants=frozenset({1}))


@draws
def attention(r: Random) -> Case:
    heads, kv_heads = one_of(r, (2, 2), (4, 2), (2, 1))
    batch, queries, keys, size = 2, int(r.integers(1, 5)), int(r.integers(1, 5)), 4
    causal = int(r.integers(2))
    if causal:
        keys = queries
    q, k, v = (
        floats(r, batch, heads, queries, size),
        floats(r, batch, kv_heads, keys, size),
        floats(r, batch, kv_heads, keys, 3),
    )
    past = int(r.integers(0, 3)) if r.random() < 0.4 else 0
    total = keys + past
    mask = one_of(
        r, None, floats(r, queries, total), r.random((queries, total)) < 0.8, floats(r, batch, 1, queries, total)
    )
    inputs: tuple[Array | None, ...] = (q, k, v, mask)
    outputs: tuple[str, ...] = ("y",)
    if past:
        inputs = (*inputs, floats(r, batch, kv_heads, past, size), floats(r, batch, kv_heads, past, 3))
        outputs = ("y", "k", "v")
    attributes = {"is_causal": causal, **some(r, scale=0.7, softcap=1.5)}
    if r.random() < 0.5:
        mode = int(r.integers(4))
        hides = causal or (mask is not None and mask.dtype == bool)
        attributes["qk_matmul_output_mode"] = mode - 1 if mode == 2 and hides else mode  # its -inf is the lowest number
        outputs = (*(outputs if past else ("y", "", "")), "s")
    if r.random() < 0.3:
        flat = [np.ascontiguousarray(t.transpose(0, 2, 1, 3)).reshape(batch, t.shape[2], -1) for t in (q, k, v)]
        inputs = (*flat, *inputs[3:])
        attributes |= {"q_num_heads": heads, "kv_num_heads": kv_heads}
    return Case("Attention", inputs, attributes, outputs, opset=24)


@draws
def tensor_scatter(r: Random) -> Case:
    cache, update = floats(r, 2, 3, 5, 2), floats(r, 2, 3, 2, 2)
    mode = one_of(r, "linear", "circular")
    places = r.integers(0, 4 if mode == "linear" else 9, 2)
    return Case("TensorScatter", (cache, update, one_of(r, None, places)), {"mode": mode}, opset=24)


@draws
def stft(r: Random) -> Case:
    signal = floats(r, 2, 20, one_of(r, 1, 1, 2))
    onesided = {} if signal.shape[2] == 1 else {"onesided": 0}
    onesided = onesided or some(r, onesided=int(r.integers(2)))
    window = one_of(r, None, np.hanning(8).astype(np.float32))
    length = np.array(8) if window is None or r.random() < 0.5 else None
    return Case("STFT", (signal, np.array(4), window, length), onesided, constants=frozenset({1, 2, 3}))


@draws
def dft(r: Random) -> Case:
    x = floats(r, 2, 6, 5, one_of(r, 1, 2))
    length = one_of(r, None, np.array(int(r.integers(3, 8))))
    attributes = some(r, inverse=int(r.integers(2)))
    if x.shape[-1] == 1 and not attributes.get("inverse"):
        attributes |= some(r, onesided=1)
    return Case("DFT", (x, length, one_of(r, None, np.array(1), np.array(2))), attributes, constants=frozenset({1, 2}))


@draws
def top_k(r: Random) -> Case:
    x = r.integers(0, 4, (3, 6)).astype(np.float32)
    attributes = some(r, largest=int(r.integers(2)), axis=int(r.integers(-2, 2)))
    return Case("TopK", (x, np.array([int(r.integers(1, 4))])), attributes, ("y", "i"), frozenset({1}))


@draws
def arg_max(r: Random) -> Case:
    x = r.integers(0, 3, (3, 4)).astype(np.float32)
    return Case(one_of(r, "ArgMax", "ArgMin"), (x,), some(r, axis=int(r.integers(-2, 2)), keepdims=int(r.integers(2)),
                select_last_index=int(r.integers(2))))  # fmt: skip


@draws
def scatter_elements(r: Random) -> Case:
    x, axis = floats(r, 4, 5), int(r.integers(-2, 2))
    indices = r.integers(-4, 4, (2, 3))
    return Case("ScatterElements", (x, indices, floats(r, 2, 3)), {"axis": axis,
                **some(r, reduction=one_of(r, "add", "mul", "max", "min"))}, opset=18)  # fmt: skip


@draws
def scatter_nd(r: Random) -> Case:
    x = floats(r, 4, 5)
    return Case("ScatterND", (x, r.integers(-4, 4, (3, 1)), floats(r, 3, 5)),
                some(r, reduction=one_of(r, "add", "mul", "max", "min")), opset=18)  # fmt: skip


@draws
def rotary_embedding(r: Random) -> Case:
    x = floats(r, 2, 3, 4, 8)
    attributes = some(r, interleaved=1)
    if r.random() < 0.5:
        return Case(
            "RotaryEmbedding", (x, floats(r, 6, 4), floats(r, 6, 4), r.integers(0, 6, (2, 4))), attributes, opset=23
        )
    return Case("RotaryEmbedding", (x, floats(r, 2, 4, 4), floats(r, 2, 4, 4)), attributes, opset=23)


@draws
def compress(r: Random) -> Case:
    x = floats(r, 3, 4)
    axis = one_of(r, None, 0, 1, -1)
    length = 12 if axis is None else x.shape[axis]
    condition = r.random(int(r.integers(1, length + 1))) < 0.6
    return Case("Compress", (x, condition), {} if axis is None else {"axis": axis})


@draws
def reverse_sequence(r: Random) -> Case:
    turned = r.random() < 0.5
    attributes = {"batch_axis": 0, "time_axis": 1} if turned else {}
    return Case("ReverseSequence", (floats(r, 4, 3), r.integers(1, 4 if turned else 5, 4 if turned else 3)), attributes)


@draws
def attention_over_a_padded_cache(r: Random) -> Case:
    q, k, v = floats(r, 2, 2, 3, 4), floats(r, 2, 2, 6, 4), floats(r, 2, 2, 6, 4)
    valid = r.integers(3, 7, 2)
    attributes = some(r, is_causal=int(r.integers(2)), softcap=2.0, softmax_precision=1)
    return Case("Attention", (q, k, v, one_of(r, None, floats(r, 3, 6)), None, None, valid), attributes, opset=24)
