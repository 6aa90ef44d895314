"""ViT, BERT and DistilBERT with eager attention, as the TorchScript exporter writes Hugging Face's models.

Each takes its depth, width and heads, so that tests run small ones; `batch` and `sequence` are symbols.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from tests.end_to_end.convolutional import CLASSES, image
from tests.end_to_end.exporter import LOWEST, Exporter


def attention(g: Exporter, x: str, width: int, heads: int, mask: str = "") -> str:
    """Queries, keys, values, scores, mask, softmax, and the output's projection; no residual."""
    batch, length = g.size(x, 0), g.size(x, 1)
    query = g.linear(x, width, width)
    views = [g.shape(batch, length, -1, width // heads) for _ in range(3)]
    query = g.node("Transpose", g.reshape(query, views[0]), perm=[0, 2, 1, 3])
    key = g.reshape(g.linear(x, width, width), views[1])
    value = g.node("Transpose", g.reshape(g.linear(x, width, width), views[2]), perm=[0, 2, 1, 3])
    scores = g.node("MatMul", query, g.node("Transpose", key, perm=[0, 2, 3, 1]))
    scores = g.node("Mul", scores, g.constant((width // heads) ** -0.5, np.float32))
    if mask:
        scores = g.node("Add", scores, mask)
    shares = g.node("Softmax", scores, axis=-1)
    if not mask:  # ViT keeps the dtype of the queries and drops nothing: two casts to f32
        shares = g.node("Cast", g.node("Cast", shares, to=TensorProto.FLOAT), to=TensorProto.FLOAT)
    merged = g.node("Transpose", g.node("MatMul", shares, value), perm=[0, 2, 1, 3])
    return g.linear(g.reshape(merged, g.shape(batch, length, -1)), width, width)


def feed_forward(g: Exporter, x: str, width: int) -> str:
    return g.linear(g.gelu(g.linear(x, width, 4 * width)), 4 * width, width, 1.5)


def vit(
    depth: int = 2, width: int = 48, heads: int = 4, patch: int = 16, pixels: int = 48, folded: bool = True
) -> bytes:
    """Vision transformer, norm first; ViT-B/16: depth 12, width 768, 12 heads, 224 pixels."""
    g = Exporter(5, folded)
    batch = g.size("pixel_values", 0)
    x = g.conv("pixel_values", 3, width, patch, stride=patch, norm=False, gain=1.0)
    front = g.node("Slice", g.node("Shape", x), g.constant([0]), g.constant([2]), g.constant([0]))
    x = g.reshape(x, g.node("Concat", front, g.constant([-1]), axis=0))
    x = g.node("Transpose", x, perm=[0, 2, 1])
    token = g.expand(g.weight((1, 1, width), 1), g.shape(batch, -1, -1))
    x = g.node("Concat", token, x, axis=1)
    x = g.node("Add", x, g.weight((1, (pixels // patch) ** 2 + 1, width), 4))
    for _ in range(depth):
        x = g.node("Add", attention(g, g.layer_norm(x, width, 1e-12), width, heads), x)
        x = g.node("Add", feed_forward(g, g.layer_norm(x, width, 1e-12), width), x)
    x = g.node("Gather", g.layer_norm(x, width, 1e-12), g.constant(0), axis=1)
    return g.model(image(pixels), g.classifier(x, width, CLASSES), "logits", ["logits_dim_0", CLASSES])


def padding_mask(g: Exporter, embedded: str) -> str:
    """attention_mask [batch, sequence] as f32 [batch, 1, sequence, sequence], 0 or the lowest number, by indexing."""
    mask = g.node("Cast", "attention_mask", to=TensorProto.BOOL)
    length, keys, batch = g.size(embedded, 1), g.size(mask, 1), g.size(embedded, 0)

    def positions(count: str, *axes: int) -> str:
        row = g.node("Range", g.constant(0), g.node("Cast", count, to=TensorProto.INT64), g.constant(1))
        for axis in axes:
            row = g.node("Unsqueeze", row, g.constant([axis]))
        return row

    rows, queries, columns = positions(batch, 1, 2, 3), positions(length, 0, 1, 3), positions(keys, 0, 1, 2)
    true = helper.make_tensor("value", TensorProto.BOOL, [1], [True])
    always = g.node(
        "ConstantOfShape", g.node("Constant", value=helper.make_tensor("", TensorProto.INT64, [0], [])), value=true
    )
    at_least = g.node("Cast", g.node("GreaterOrEqual", queries, g.constant(0)), to=TensorProto.BOOL)
    allowed = g.node("And", always, at_least)
    stride = g.node("Gather", g.node("Shape", mask), g.constant([1]), axis=0)
    places = g.node("Add", columns, g.node("Mul", rows, stride))
    picked = g.node("Gather", g.node("Flatten", mask, axis=2), places, axis=0)
    flat, target = g.reshape(picked, g.constant([-1])), g.node("Concat", g.node("Shape", places), axis=0)
    allowed = g.node("And", allowed, g.node("Cast", g.reshape(flat, target), to=TensorProto.BOOL))
    allowed = g.expand(allowed, g.shape(batch, -1, length, keys))
    return g.node("Where", allowed, g.constant(0, np.float32), g.constant(LOWEST, np.float32))


def _token_types(g: Exporter, positions: str, most: int, batch: str, length: str) -> str:
    """Zeros [batch, sequence], as BERT takes them from a buffer by the positions."""
    buffer = g.expand(g.constant(np.zeros((1, most))), g.shape(g.size(positions, 0), -1))
    zeros = g.node("GatherElements", buffer, positions, axis=1)
    return g.expand(zeros, g.shape(batch, length))


def bert(
    depth: int = 2,
    width: int = 48,
    heads: int = 4,
    vocabulary: int = 100,
    most: int = 64,
    folded: bool = True,
    token_types: bool = True,
) -> bytes:
    """Post-norm encoder; BERT-Base: depth 12, width 768, 12 heads, vocabulary 30522, at most 512 positions.

    token_types: BERT adds an embedding of the sentence that a token is in; DistilBERT does not
    """
    g = Exporter(6, folded)
    batch, length = g.size("input_ids", 0), g.size("input_ids", 1)
    buffer, start = g.constant(np.arange(most)[None]), g.constant([0])
    end, axes, steps = g.node("Unsqueeze", length, g.constant([0])), g.constant([1]), g.constant([1])
    positions = g.node("Slice", buffer, start, end, axes, steps)
    x = g.node("Gather", g.weight((vocabulary, width), 1), "input_ids")
    if token_types:
        kinds = _token_types(g, positions, most, batch, length)
        x = g.node("Add", x, g.node("Gather", g.weight((2, width), 4), kinds))
    x = g.node("Add", x, g.node("Gather", g.weight((most, width), 4), positions))
    x = g.layer_norm(x, width, 1e-12)
    mask = padding_mask(g, x)
    for _ in range(depth):
        x = g.layer_norm(g.node("Add", attention(g, x, width, heads, mask), x), width, 1e-12)
        x = g.layer_norm(g.node("Add", feed_forward(g, x, width), x), width, 1e-12)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask")
    ]
    return g.model(inputs, x, "last_hidden_state", ["dim_0", "dim_1", width])


def distilbert(
    depth: int = 2, width: int = 48, heads: int = 4, vocabulary: int = 100, most: int = 64, folded: bool = True
) -> bytes:
    return bert(depth, width, heads, vocabulary, most, folded, token_types=False)
