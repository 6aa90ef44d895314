"""Shapes of classical models (domain ai.onnx.ml), for which ONNX's own inference finds little.

    classifiers    x[N, C]    ->    label[N], scores[N, ?]        x[C] counts as one row
    regressors     x[N, C]    ->    y[N, ?]
    Scaler, Normalizer, Imputer    as x

Columns that depend only on the attributes or the data are left open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx_ir as ir

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.ops.language.definition import Tensor

Fresh = Callable[[ir.Value, int], Dim]
CLASSIFIERS = frozenset({"LinearClassifier", "SVMClassifier", "TreeEnsembleClassifier"})
REGRESSORS = frozenset({"LinearRegressor", "SVMRegressor", "TreeEnsembleRegressor"})
SAME_SHAPE = frozenset({"Imputer", "Normalizer", "Scaler"})


def infer_classical(node: ir.Node, index: int, tensors: Mapping[ir.Value, Tensor], fresh: Fresh) -> Tensor | None:
    """The node's output `index`; None for operators of another kind."""
    value, x = node.outputs[index], tensors.get(node.inputs[0]) if node.inputs and node.inputs[0] is not None else None
    if node.domain != "ai.onnx.ml" or x is None:
        return None
    rows: Dim = x.shape[0] if x.rank > 1 else 1
    name = value.name or ""
    if node.op_type in SAME_SHAPE:
        return Tensor(name, x.dtype if node.op_type == "Imputer" else DType.F32, x.shape)
    if node.op_type == "FeatureVectorizer" and "inputdimensions" in node.attributes:
        return Tensor(name, DType.F32, (rows, sum(node.attributes["inputdimensions"].as_ints())))
    if node.op_type in CLASSIFIERS and index == 0:
        return Tensor(name, DType.STRING if node.attributes.get("classlabels_strings") else DType.I64, (rows,))
    if node.op_type in CLASSIFIERS | REGRESSORS:
        return Tensor(name, DType.F32, (rows, _columns(node, value, fresh)))
    return None


def _columns(node: ir.Node, value: ir.Value, fresh: Fresh) -> Dim:
    targets = node.attributes.get("n_targets") or node.attributes.get("targets")
    if targets is not None:
        return targets.as_int()
    return 1 if node.op_type in REGRESSORS else fresh(value, 1)
