"""Random nodes that move elements or pick them, and operators of the newest opsets."""

from __future__ import annotations

from typing import Any

import numpy as np

from .draw import Array, Case, Random, draws, floats, one_of, some

KINDS = (np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_)


def numbers(r: Random, *shape: int) -> Array:
    """Of any type."""
    return (r.standard_normal(shape) * 5).astype(np.int8).astype(one_of(r, *KINDS))


@draws
def gather(r: Random) -> Case:
    x, axis = numbers(r, 4, 4, 4), int(r.integers(-3, 3))
    return Case("Gather", (x, r.integers(-4, 4, one_of(r, (), (3,), (2, 2)))), some(r, axis=axis))


@draws
def gather_elements(r: Random) -> Case:
    return Case("GatherElements", (numbers(r, 4, 5), r.integers(-4, 4, (3, 4))), {"axis": int(r.integers(-2, 2))})


@draws
def gather_nd(r: Random) -> Case:
    batch = int(r.integers(2))
    depth = int(r.integers(1, 3))
    indices = r.integers(-3, 3, (*((3,) if batch else ()), 2, depth))
    return Case("GatherND", (numbers(r, 3, 4, 3), indices), {"batch_dims": batch})


@draws
def slices(r: Random) -> Case:
    axes = r.permutation(2)[: int(r.integers(1, 3))]
    starts, ends = r.integers(-7, 7, len(axes)), r.integers(-7, 7, len(axes))
    steps = np.array([one_of(r, 1, 2, -1, -2) for _ in axes])
    return Case("Slice", (numbers(r, 5, 6), starts, ends, axes, steps), constants=frozenset({1, 2, 3, 4}))


@draws
def split(r: Random) -> Case:
    axis = int(r.integers(-2, 2))
    if r.random() < 0.5:
        return Case("Split", (numbers(r, 6, 6), np.array([2, 1, 3])), {"axis": axis}, ("a", "b", "c"), frozenset({1}))
    return Case("Split", (numbers(r, 7, 7),), {"axis": axis, "num_outputs": 3}, ("a", "b", "c"))


@draws
def concat(r: Random) -> Case:
    x = numbers(r, 2, 3)
    return Case("Concat", (x, x[:, ::-1].copy(), x), {"axis": int(r.integers(-2, 2))})


@draws
def expand(r: Random) -> Case:
    shape = np.array(one_of(r, [3, 4], [2, 1, 1], [1], [2, 3, 5]))
    return Case("Expand", (numbers(r, 3, 1), shape), constants=frozenset({1}))


@draws
def tile(r: Random) -> Case:
    return Case("Tile", (numbers(r, 2, 3), r.integers(0, 4, 2)), constants=frozenset({1}))


@draws
def transpose(r: Random) -> Case:
    return Case("Transpose", (numbers(r, 2, 3, 4),), some(r, perm=r.permutation(3).tolist()))


@draws
def where(r: Random) -> Case:
    x = floats(r, 3, 4).astype(one_of(r, np.float32, np.int64, np.uint8))
    return Case("Where", (r.random((3, 1)) < 0.5, x, x[0]))


@draws
def ranges(r: Random) -> Case:
    kind = one_of(r, np.int64, np.float32, np.int32)
    start, limit = (np.array(v).astype(kind) for v in r.integers(-9, 9, 2))
    constants: frozenset[int] = one_of(r, frozenset(), frozenset({0, 1, 2}))
    return Case("Range", (start, limit, np.array(one_of(r, 1, 2, -2, 3), kind)), constants=constants)


@draws
def shape_of(r: Random) -> Case:
    return Case("Shape", (numbers(r, 2, 3, 4),), some(r, start=int(r.integers(-4, 4)), end=int(r.integers(-4, 4))))


@draws
def non_zero(r: Random) -> Case:
    return Case("NonZero", (floats(r, 3, 4).astype(one_of(r, np.float32, np.int64, np.bool_)),))


@draws
def variadic(r: Random) -> Case:
    x = floats(r, 3, 4)
    x[0, 0] = np.nan
    return Case(one_of(r, "Max", "Min", "Sum", "Mean"), (x, floats(r, 4), floats(r, 3, 1)))


@draws
def clip(r: Random) -> Case:
    kind = one_of(r, np.float32, np.int64, np.int32, np.uint8)
    x = (np.abs(r.standard_normal((3, 4))) * 9).astype(kind)
    return Case("Clip", (x, one_of(r, None, np.array(2, kind)), one_of(r, None, np.array(6, kind), np.array(1, kind))))


@draws
def bitwise(r: Random) -> Case:
    kind = one_of(r, np.int32, np.uint8, np.int64)
    a, b = (r.integers(0, 100, (3, 4)).astype(kind) for _ in range(2))
    return Case(one_of(r, "BitwiseAnd", "BitwiseOr", "BitwiseXor"), (a, b))


@draws
def comparison(r: Random) -> Case:
    a, b = (r.integers(-2, 3, (3, 4)).astype(np.float32) for _ in range(2))
    a[0, :2], b[0, 1] = np.nan, np.nan
    return Case(one_of(r, "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"), (a, b))


@draws
def float_arithmetic(r: Random) -> Case:
    a, b = floats(r, 3, 4), floats(r, 4)
    a[0, 0], b[0] = np.inf, 0
    return Case(one_of(r, "Add", "Sub", "Mul", "Div"), (a, b))


@draws
def power(r: Random) -> Case:
    singles, wholes, mixed = (np.float32, np.float32), (np.int64, np.int64), (np.int32, np.float32)
    base, exponent = one_of(r, singles, wholes, mixed, mixed[::-1])
    return Case("Pow", (r.integers(1, 5, (3, 4)).astype(base), r.integers(0, 4, 4).astype(exponent)))


@draws
def prelu(r: Random) -> Case:
    return Case("PRelu", (floats(r, 2, 3, 4), one_of(r, floats(r, 3, 1), floats(r, 1), floats(r, 2, 3, 4))))


@draws
def instance_normalization(r: Random) -> Case:
    return Case("InstanceNormalization", (floats(r, 2, 3, 5), floats(r, 3), floats(r, 3)), some(r, epsilon=0.01))


@draws
def mean_variance_normalization(r: Random) -> Case:
    attributes = some(r, axes=one_of(r, [0, 2, 3], [1, 2]))
    return Case("MeanVarianceNormalization", (floats(r, 2, 3, 4, 2),), attributes, opset=13)


@draws
def global_pool(r: Random) -> Case:
    return Case(one_of(r, "GlobalAveragePool", "GlobalMaxPool"), (floats(r, 2, 3, 4, 5),))


@draws
def reductions_of_types(r: Random) -> Case:
    op_type = one_of(r, "ReduceSum", "ReduceMax", "ReduceMin", "ReduceMean", "ReduceProd")
    kinds = (
        (np.int64, np.int32, np.float64) if op_type not in ("ReduceMax", "ReduceMin") else (np.int8, np.uint8, np.int64)
    )
    x = r.integers(1, 4, (2, 3, 4)).astype(one_of(r, *kinds))
    return Case(op_type, (x, np.array([1])), some(r, keepdims=int(r.integers(2))), constants=frozenset({1}))


@draws
def top_k_of_types(r: Random) -> Case:
    x = r.permutation(24).reshape(4, 6).astype(one_of(r, np.int64, np.int32, np.float64))
    return Case("TopK", (x, np.array([3])), some(r, largest=int(r.integers(2)), sorted=1), ("y", "i"), frozenset({1}))


@draws
def resize_of_types(r: Random) -> Case:
    x = r.integers(0, 200, (1, 1, 4, 5)).astype(one_of(r, np.uint8, np.int32, np.float32))
    scales = np.array([1, 1, 2, 2], np.float32)
    return Case("Resize", (x, None, scales), {"mode": "nearest", "coordinate_transformation_mode": "asymmetric",
                "nearest_mode": "floor"}, constants=frozenset({2}))  # fmt: skip


@draws
def swish(r: Random) -> Case:
    return Case("Swish", (floats(r, 3, 4),), some(r, alpha=0.7), opset=24)


@draws
def half_casts(r: Random) -> Case:
    x = (r.standard_normal((3, 4)) * 40).astype(one_of(r, np.float16, np.float64))
    return Case("Cast", (x,), {"to": one_of(r, 1, 10, 11, 6)})


@draws
def cumulative_types(r: Random) -> Case:
    x = r.integers(-3, 4, (3, 4)).astype(one_of(r, np.int32, np.int64, np.float64))
    return Case("CumSum", (x, np.array(one_of(r, 0, 1))), some(r, exclusive=1, reverse=1), constants=frozenset({1}))


@draws
def matmul(r: Random) -> Case:
    a, b = one_of(r, ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 1, 2, 3), (4, 3, 2)), ((2, 3), (3, 4)))
    kind: Any = one_of(r, np.float32, np.float64, np.int32)
    return Case("MatMul", (floats(r, *a, scale=3).astype(kind), floats(r, *b, scale=3).astype(kind)))


@draws
def tf_idf_vectorizer(r: Random) -> Case:
    attributes = {
        "mode": one_of(r, "TF", "IDF", "TFIDF"), "min_gram_length": 1, "max_gram_length": 2,
        "max_skip_count": int(r.integers(3)), "ngram_counts": [0, 4], "ngram_indexes": [0, 1, 2, 3, 4, 5, 6],
        "pool_int64s": [2, 3, 5, 4, 5, 6, 7, 8, 6, 7], "weights": floats(r, 7).tolist(),
    }  # fmt: skip
    return Case("TfIdfVectorizer", (r.integers(2, 9, (2, 8)),), attributes)
