"""Tree ensembles: TreeEnsemble, TreeEnsembleClassifier, TreeEnsembleRegressor.

The walk is a template; what follows the sums (base values, the transform, the label) are expressions over them. Where
the specification says little, above all on two classes, the answers are ONNX Runtime's (docs/operators.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from burnish.dtypes import DType
from burnish.ops.language.definition import Compute, Index, NodeView, Tensor, Trees
from burnish.ops.language.ensemble import Ensemble
from burnish.ops.language.expr import Expr, axis, binary, cast, const, fresh_axis, reduce, unary, where
from burnish.ops.language.node_view import constant_tensor
from burnish.ops.registry import Misfit, Undefined, operator
from burnish.ops.tree_nodes import keyed_ensemble, linked_ensemble, same_classes_in_a_tree

ML = "ai.onnx.ml"
AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
FEATURES = (DType.F32, DType.F64, DType.I32, DType.I64)
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
COMBINE = {"SUM": "sum", "AVERAGE": "sum", "MIN": "min", "MAX": "max"}
Score = Callable[[Expr, Expr], Expr]  # of a row and a target
Body = Callable[[Index], Expr]


@operator("TreeEnsembleRegressor", ML)
def regressor(node: NodeView) -> Trees:
    x, dtype = _input(node)
    targets = node.attr("n_targets", 1)
    ensemble = keyed_ensemble(node.attributes, "target", targets, dtype.numpy)
    _has_features(x, ensemble)
    transform = _named(node, "post_transform", "NONE", TRANSFORMS)
    aggregate = _named(node, "aggregate_function", "SUM", AGGREGATES)
    base = _base_values(node)
    if base and len(base) != targets:
        raise Misfit(f"{len(base)} base values for {targets} targets")
    return _regression(x, ensemble, aggregate, transform, base, DType.F32)


@operator("TreeEnsemble", ML)
def tree_ensemble(node: NodeView) -> Trees:
    x, dtype = _input(node)
    ensemble = linked_ensemble(node.attributes, node.attr("n_targets", 1), dtype.numpy)
    _has_features(x, ensemble)
    transform, aggregate = TRANSFORMS[node.attr("post_transform", 0)], AGGREGATES[node.attr("aggregate_function", 1)]
    return _regression(x, ensemble, aggregate, transform, (), x.dtype)


def _regression(
    x: Tensor, ensemble: Ensemble, aggregate: str, transform: str, base: Sequence[float], out: DType
) -> Trees:
    """transform(aggregate over trees + base)"""
    if COMBINE[aggregate] != "sum" and (ensemble.target_count > 1 or ensemble.starts is not None):
        raise Undefined(f"a tree ensemble with {aggregate}, several targets or leaves of several weights")
    sums, offset = _sums(x, ensemble), _table("base_values", base, x)

    def score(row: Expr, target: Expr) -> Expr:
        value = sums[[row, target]]
        if aggregate == "AVERAGE":
            value = value / const(float(max(ensemble.tree_count, 1)), value.dtype)
        return value + offset[[target]] if base else value

    # ONNX Runtime applies PROBIT alone to a single target
    if ensemble.target_count == 1 and transform != "PROBIT":
        transform = "NONE"
    body = _transformed(score, transform, ensemble.target_count, out)
    return Trees(x, sums, ensemble, COMBINE[aggregate], (Compute(out, (x.shape[0], ensemble.target_count), body),))


@operator("TreeEnsembleClassifier", ML)
def classifier(node: NodeView) -> Trees:
    """label[row], score[row, class]"""
    labels = node.attr("classlabels_int64s")
    if not labels:
        raise Undefined("a TreeEnsembleClassifier whose labels are strings")
    if len(labels) < 2:
        raise Undefined("a TreeEnsembleClassifier of one label")
    x, dtype = _input(node)
    ensemble = keyed_ensemble(node.attributes, "class", len(labels), dtype.numpy)
    _has_features(x, ensemble)
    if not same_classes_in_a_tree(node.attributes):
        raise Undefined("a TreeEnsembleClassifier whose leaves of one tree name different classes")
    transform, base = _named(node, "post_transform", "NONE", TRANSFORMS), _base_values(node)
    sums = _sums(x, ensemble)
    is_binary = len(labels) == 2 and not all(ensemble.classes)
    decide = _one_of_two if is_binary else _largest
    label, score = decide(sums, ensemble, labels, base, transform)
    rows = x.shape[0]
    outputs = (Compute(DType.I64, (rows,), label), Compute(DType.F32, (rows, len(labels)), score))
    return Trees(x, sums, ensemble, "sum", outputs)


def _largest(
    sums: Tensor, ensemble: Ensemble, labels: Sequence[int], base: Sequence[float], transform: str
) -> tuple[Body, Body]:
    """The label of the largest score, among the classes that have one."""
    if base and len(base) != len(labels):
        raise Undefined(f"a TreeEnsembleClassifier of {len(labels)} classes and {len(base)} base values")
    offset, names = _table("base_values", base, sums), constant_tensor("labels", np.asarray(labels, np.int64))
    has_score = constant_tensor("has_score", np.asarray(ensemble.classes, np.bool_))
    all_have = bool(base) or all(ensemble.classes)

    def score(row: Expr, target: Expr) -> Expr:
        value = sums[[row, target]]
        return value + offset[[target]] if base else value

    def label(i: Index) -> Expr:
        run = fresh_axis(len(labels))
        value = score(i[0], axis(run))
        if not all_have:
            value = where(has_score[[axis(run)]], value, const(-math.inf, value.dtype))
        top = reduce("max", (run,), value)
        last = const(len(labels) - 1, DType.I64)
        return names[[reduce("min", (run,), where(binary("eq", value, top), axis(run), last))]]

    return label, _transformed(score, transform, len(labels), DType.F32)


def _one_of_two(
    sums: Tensor, ensemble: Ensemble, labels: Sequence[int], base: Sequence[float], transform: str
) -> tuple[Body, Body]:
    """Two classes, but the trees score only one: compare its score with 0.5, or with 0 if some weight is negative."""
    known = 1 if ensemble.classes[1] else 0
    if len(base) > 2:
        raise Undefined(f"a TreeEnsembleClassifier of two classes and {len(base)} base values")
    is_alone = known == 0 and len(base) < 2
    if is_alone and transform == "PROBIT":
        raise Undefined("a TreeEnsembleClassifier of one score and PROBIT")
    own = base[known] if len(base) == 2 else base[0] if base and known == 0 else 0.0
    other = base[1 - known] if len(base) == 2 else 0.0

    def value(row: Expr) -> Expr:
        found = sums[[row, const(known, DType.I64)]]
        return found + const(own, found.dtype) if base else found

    def label(i: Index) -> Expr:
        score = value(i[0])
        is_positive = binary("gt", score, const(0.0 if ensemble.has_negative else 0.5, score.dtype))
        return where(is_positive, const(labels[1], DType.I64), const(labels[0], DType.I64))

    def both(i: Index) -> Expr:
        score, is_second = value(i[0]), binary("eq", i[1], const(1, DType.I64))
        if transform == "LOGISTIC":
            return cast(unary("sigmoid", where(is_second, score, -score)), DType.F32)
        complement = -score if ensemble.has_negative else const(1.0, score.dtype) - score
        return cast(where(is_second, score, complement), DType.F32)

    def separate(row: Expr, target: Expr) -> Expr:
        score = value(row)
        return where(binary("eq", target, const(known, DType.I64)), score, const(other, score.dtype))

    return label, both if is_alone else _transformed(separate, transform, 2, DType.F32)


def _transformed(score: Score, transform: str, count: int, out: DType) -> Body:
    """The scores of one row after the transform. `count`: the number of scores."""

    def body(i: Index) -> Expr:
        value, run = score(i[0], i[1]), fresh_axis(count)
        any_score = score(i[0], axis(run))
        if transform == "LOGISTIC":
            value = unary("sigmoid", value)
        elif transform == "PROBIT":
            value = _probit(value)
        elif transform == "SOFTMAX":
            top = reduce("max", (run,), any_score)
            value = unary("exp", value - top) / reduce("sum", (run,), unary("exp", any_score - top))
        elif transform == "SOFTMAX_ZERO":
            top = reduce("max", (run,), any_score)
            total = reduce("sum", (run,), _exponential_or_zero(any_score, top))
            half = const(0.5, value.dtype)
            is_empty = binary("eq", total, const(0.0, value.dtype))
            value = where(is_empty, half, _exponential_or_zero(value, top) / total)
        return cast(value, out)

    return body


def _exponential_or_zero(value: Expr, top: Expr) -> Expr:
    """A softmax's exponential that keeps zeros (nearly) zero."""
    tiny = const(1e-7, value.dtype)
    return where(binary("gt", unary("abs", value), tiny), unary("exp", value - top), value * unary("exp", -top))


def _probit(value: Expr) -> Expr:
    """sqrt(2) * erfinv(2 value - 1), by Winitzki's formula, as ONNX Runtime and the reference have it."""
    x = value * const(2.0, value.dtype) - const(1.0, value.dtype)
    log = unary("log", (const(1.0, value.dtype) - x) * (const(1.0, value.dtype) + x))
    v = const(2.0 / (3.14159 * 0.147), value.dtype) + log * const(0.5, value.dtype)
    root = unary("sqrt", unary("sqrt", v * v - log * const(1.0 / 0.147, value.dtype)) - v)
    sign = where(binary("lt", x, const(0.0, value.dtype)), const(-1.0, value.dtype), const(1.0, value.dtype))
    return sign * root * const(1.41421356, value.dtype)


def _input(node: NodeView) -> tuple[Tensor, DType]:
    """X, of rank 2, and the type that it is compared in."""
    x = node.tensor(0)
    if x.rank != 2:
        raise Undefined(f"{node.op_type} of rank {x.rank}")
    if x.dtype not in FEATURES:
        raise Undefined(f"{node.op_type} of {x.dtype.value}")
    return x, DType.F64 if x.dtype is DType.F64 else DType.F32


def _has_features(x: Tensor, ensemble: Ensemble) -> None:
    width = x.shape[1]
    if not isinstance(width, int):
        raise Undefined("a tree ensemble whose number of features is only known during the run")
    if width < max(ensemble.features, 1):
        raise Misfit(f"X has {width} features, the trees ask for feature {max(ensemble.features, 1) - 1}")


def _sums(x: Tensor, ensemble: Ensemble) -> Tensor:
    dtype = DType.F64 if x.dtype is DType.F64 else DType.F32
    return Tensor(f"{x.name}/trees", dtype, (x.shape[0], ensemble.target_count))


def _table(name: str, values: Sequence[float], like: Tensor) -> Tensor:
    """A constant, in the type of the sums."""
    return constant_tensor(name, np.asarray(values, np.float64 if like.dtype is DType.F64 else np.float32))


def _base_values(node: NodeView) -> tuple[float, ...]:
    wide = node.attr("base_values_as_tensor")
    values = node.attr("base_values", ()) if wide is None else wide
    return tuple(float(v) for v in np.ravel(np.asarray(values)))


def _named(node: NodeView, name: str, default: str, known: Sequence[str]) -> str:
    value = node.attr(name, default)
    value = value.decode() if isinstance(value, bytes) else value
    if value not in known:
        raise Misfit(f"{name} is {value}; ONNX knows {', '.join(known)}")
    return str(value)
