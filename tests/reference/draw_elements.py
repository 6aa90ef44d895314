"""Random nodes of arithmetic: products, reductions, norms, activations, casts, quantisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from .draw import Case, Random, draws, floats, one_of, some


@draws
def gemm(r: Random) -> Case:
    turn_a, turn_b = (int(v) for v in r.integers(0, 2, 2))
    a, b = floats(r, 3, 4), floats(r, 4, 5)
    c = one_of(r, None, floats(r, 5), floats(r, 3, 1), np.array(0.5, np.float32), floats(r, 3, 5))
    attributes = {"transA": turn_a, "transB": turn_b, **some(r, alpha=one_of(r, 0.5, 2.0), beta=one_of(r, 0.0, 0.3))}
    if c is not None and attributes.get("beta") == 0:
        c = np.asarray(c + np.float32(np.inf))
    return Case("Gemm", (a.T.copy() if turn_a else a, b.T.copy() if turn_b else b, c), attributes)


@draws
def quantize_linear(r: Random) -> Case:
    x = floats(r, 3, 4, scale=50)
    x.ravel()[:3] = (np.inf, -np.inf, 1e30)
    kind = one_of(r, np.uint8, np.int8, np.uint16, np.int16)
    zero = np.array(r.integers(np.iinfo(kind).min, np.iinfo(kind).max), kind)
    if r.random() < 0.5:
        return Case("QuantizeLinear", (x, np.array(0.5, np.float32), one_of(r, None, zero)))
    scale = (r.random(4) + 0.1).astype(np.float32)
    return Case("QuantizeLinear", (x, scale, np.full(4, zero)), {"axis": 1})


@draws
def dequantize_linear(r: Random) -> Case:
    kind = one_of(r, np.uint8, np.int8, np.uint16, np.int16)
    x = r.integers(np.iinfo(kind).min, np.iinfo(kind).max + 1, (3, 4)).astype(kind)
    zero = np.array(r.integers(np.iinfo(kind).min, np.iinfo(kind).max), kind)
    if r.random() < 0.5:
        return Case("DequantizeLinear", (x, np.array(0.3, np.float32), one_of(r, None, zero)))
    return Case("DequantizeLinear", (x, (r.random(3) + 0.1).astype(np.float32), np.full(3, zero)), {"axis": 0})


@draws
def dynamic_quantize_linear(r: Random) -> Case:
    x = floats(r, 3, 4) * np.float32(one_of(r, 0, 1, 10)) + np.float32(one_of(r, 0, 0, 3, -3))
    return Case("DynamicQuantizeLinear", (x,), outputs=("y", "s", "z"))


def _reduction(name: str, *kinds: type) -> None:
    def draw(r: Random) -> Case:
        kind = one_of(r, *kinds)
        x = (r.random((2, 3, 4)) * 4 + 0.5).astype(kind) if kind != np.float32 else np.abs(floats(r, 2, 3, 4)) + 0.1
        axes = one_of(r, None, np.array([1]), np.array([-1, 0]), np.array([], np.int64))
        return Case(name, (x, axes), some(r, keepdims=int(r.integers(2)), noop_with_empty_axes=int(r.integers(2))),
                    constants=frozenset({1}))  # fmt: skip

    draw.__name__ = name
    draws(draw)


for _name in ("ReduceSum", "ReduceMean", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2",
              "ReduceSumSquare"):  # fmt: skip
    _reduction(_name, np.float32, np.int32)
_reduction("ReduceLogSum", np.float32)
_reduction("ReduceLogSumExp", np.float32)


@draws
def cum_sum(r: Random) -> Case:
    return Case("CumSum", (floats(r, 3, 4), np.array(int(r.integers(-2, 2)))), some(r, exclusive=1, reverse=1),
                constants=frozenset({1}))  # fmt: skip


@draws
def lp_normalization(r: Random) -> Case:
    return Case("LpNormalization", (floats(r, 3, 4),), some(r, axis=int(r.integers(-2, 2)), p=int(r.integers(1, 3))))


@draws
def group_normalization(r: Random) -> Case:
    return Case(
        "GroupNormalization",
        (floats(r, 2, 4, 3), floats(r, 4), floats(r, 4)),
        {"num_groups": 2, **some(r, epsilon=0.01)},
        opset=21,
    )


@draws
def layer_normalization(r: Random) -> Case:
    axis = int(r.integers(-3, 3))
    shape = (2, 3, 4)[axis:]
    return Case("LayerNormalization", (floats(r, 2, 3, 4), floats(r, *shape), one_of(r, None, floats(r, *shape))),
                {"axis": axis, **some(r, epsilon=0.01)}, one_of(r, ("y",), ("y", "m", "i")))  # fmt: skip


@draws
def softmax_family(r: Random) -> Case:
    x = floats(r, 2, 3, 4)
    return Case(one_of(r, "Softmax", "LogSoftmax", "Hardmax"), (x,), some(r, axis=int(r.integers(-3, 3))))


@draws
def rms_normalization(r: Random) -> Case:
    axis = int(r.integers(-2, 2))
    return Case(
        "RMSNormalization",
        (floats(r, 3, 4), floats(r, *(3, 4)[axis:])),
        {"axis": axis, **some(r, epsilon=0.1)},
        opset=23,
    )


@draws
def loss(r: Random) -> Case:
    labels = r.integers(0, 4, (3, 2))
    attributes = {"reduction": one_of(r, "none", "sum", "mean"), **some(r, ignore_index=1)}
    weights = one_of(r, None, np.abs(floats(r, 4)))
    op_type = one_of(r, "NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
    outputs = ("y", "p") if op_type.startswith("S") and r.random() < 0.5 else ("y",)
    return Case(op_type, (floats(r, 3, 4, 2), labels, weights), attributes, outputs)


ACTIVATIONS: dict[str, dict[str, Any]] = {
    "Celu": {"alpha": 0.7}, "Elu": {"alpha": 0.7}, "Erf": {}, "Gelu": {"approximate": "tanh"},
    "HardSigmoid": {"alpha": 0.3, "beta": 0.4}, "HardSwish": {}, "LeakyRelu": {"alpha": 0.2}, "Mish": {}, "Round": {},
    "Selu": {"alpha": 1.2, "gamma": 0.8}, "Shrink": {"lambd": 0.3, "bias": 0.1}, "Sign": {}, "Softplus": {},
    "Softsign": {}, "ThresholdedRelu": {"alpha": 0.3},
}  # fmt: skip


@draws
def activation(r: Random) -> Case:
    op_type = one_of(r, *ACTIVATIONS)
    attributes = some(r, **ACTIVATIONS[op_type])
    x = floats(r, 3, 4, scale=2)
    x.ravel()[:3] = (np.inf, -np.inf, -0.0)
    return Case(op_type, (x,), attributes)


@draws
def cast(r: Random) -> Case:
    source = one_of(r, np.float32, np.float16, np.int32, np.int64, np.uint8, np.bool_)
    x = (r.standard_normal((3, 4)) * 40).astype(source)
    to = one_of(r, 1, 2, 3, 6, 7, 9, 10)
    if to in (2,):
        x = np.abs(x)
    if np.dtype(source).kind == "f" and to == 9:
        x.ravel()[:2] = (np.nan, -0.0)
    return Case("Cast", (x,), {"to": to})


@draws
def integer_arithmetic(r: Random) -> Case:
    kind = one_of(r, np.int32, np.int64, np.int8, np.uint8)
    a, b = r.integers(0 if kind == np.uint8 else -60, 60, (3, 4)).astype(kind), r.integers(1, 5, 4).astype(kind)
    op_type = one_of(r, "Div", "Mod", "Sub", "Mul", "Pow" if kind in (np.int32, np.int64) else "Add", "Max", "Min")
    return Case(op_type, (a, b))


@draws
def float_mod(r: Random) -> Case:
    return Case("Mod", (floats(r, 3, 4, scale=5), floats(r, 4)), {"fmod": 1})


@draws
def bit_shift(r: Random) -> Case:
    kind = one_of(r, np.uint8, np.uint32, np.uint64)
    return Case(
        "BitShift",
        (r.integers(0, 200, 6).astype(kind), r.integers(0, 9, 6).astype(kind)),
        {"direction": one_of(r, "LEFT", "RIGHT")},
    )


EINSUMS = {
    "ij,jk->ik": ((2, 3), (3, 4)), "bij,bjk": ((2, 2, 3), (2, 3, 2)), "ii->i": ((3, 3),), "...ij->...ji": ((2, 3, 4),),
    "i,j->ij": ((2,), (3,)), "ijk->": ((2, 3, 2),),
}  # fmt: skip


@draws
def einsum(r: Random) -> Case:
    equation = one_of(r, *EINSUMS)
    shapes = EINSUMS[equation]
    return Case("Einsum", tuple(floats(r, *s) for s in shapes), {"equation": equation})


@draws
def window_function(r: Random) -> Case:
    return Case(one_of(r, "HannWindow", "HammingWindow", "BlackmanWindow"), (np.array(int(r.integers(2, 9))),),
                some(r, periodic=int(r.integers(2))), constants=frozenset({0}))  # fmt: skip


@draws
def mel_weight_matrix(r: Random) -> Case:
    edges = np.array(0, np.float32), np.array(4000, np.float32)
    return Case("MelWeightMatrix", (*map(np.array, (4, 16, 8000)), *edges), constants=frozenset(range(5)))


@draws
def det(r: Random) -> Case:
    return Case("Det", (floats(r, 2, 3, 3),))


@draws
def dropout(r: Random) -> Case:
    return Case(
        "Dropout",
        (floats(r, 3, 4), np.array(0.5, np.float32), np.array(False)),
        outputs=("y", "m"),
        constants=frozenset({1, 2}),
    )


@draws
def quantized_product(r: Random) -> Case:
    a, b = r.integers(0, 256, (3, 4)).astype(np.uint8), r.integers(0, 256, (4, 2)).astype(np.uint8)
    zeros = np.array(120, np.uint8), np.array(130, np.uint8)
    if r.random() < 0.5:
        return Case("MatMulInteger", (a, b, *zeros))
    s = [np.array(v, np.float32) for v in (0.02, 0.03, 0.05)]
    return Case("QLinearMatMul", (a, s[0], zeros[0], b, s[1], zeros[1], s[2], np.array(127, np.uint8)))


@draws
def batch_normalization(r: Random) -> Case:
    return Case(
        "BatchNormalization",
        (floats(r, 2, 3, 4), floats(r, 3), floats(r, 3), floats(r, 3), np.abs(floats(r, 3)) + 0.1),
        some(r, epsilon=0.01),
    )


@draws
def depth_to_space(r: Random) -> Case:
    return Case("DepthToSpace", (floats(r, 1, 8, 2, 3),), {"blocksize": 2, **some(r, mode=one_of(r, "DCR", "CRD"))})


@draws
def trilu(r: Random) -> Case:
    return Case(
        "Trilu",
        (floats(r, 2, 3, 4), one_of(r, None, np.array(int(r.integers(-2, 3))))),
        some(r, upper=int(r.integers(2))),
    )


@draws
def eye_like(r: Random) -> Case:
    return Case("EyeLike", (floats(r, 3, 4),), some(r, k=int(r.integers(-2, 3)), dtype=one_of(r, 1, 6, 7)))


@draws
def is_inf(r: Random) -> Case:
    x = np.array([np.inf, -np.inf, np.nan, 1], np.float32)
    return Case("IsInf", (x,), some(r, detect_negative=int(r.integers(2)), detect_positive=int(r.integers(2))))


@draws
def quantize_blocks(r: Random) -> Case:
    kind = one_of(r, np.uint8, np.int8, np.int16)
    scale, zero = (r.random((3, 2)) + 0.1).astype(np.float32), r.integers(0, 9, (3, 2)).astype(kind)
    attributes = {"axis": 1, "block_size": 4}
    if r.random() < 0.5:
        return Case("QuantizeLinear", (floats(r, 3, 8, scale=20), scale, zero), attributes)
    return Case("DequantizeLinear", (r.integers(0, 100, (3, 8)).astype(kind), scale, zero), attributes)


@draws
def layer_normalization_of_f64(r: Random) -> Case:
    x = r.standard_normal((2, 3, 4))
    return Case(
        "LayerNormalization", (x, r.standard_normal(4), one_of(r, None, r.standard_normal(4))), some(r, epsilon=0.1)
    )
