"""Features of classical models before they are used: Scaler."""

from __future__ import annotations

import numpy as np

from burnish.dtypes import DType
from burnish.ops.language.definition import Compute, Index, NodeView
from burnish.ops.language.expr import Expr, cast
from burnish.ops.language.node_view import constant_tensor
from burnish.ops.registry import Misfit, Undefined, operator

ML = "ai.onnx.ml"
FEATURES = (DType.F32, DType.F64, DType.I32, DType.I64)


@operator("Scaler", ML)
def scaler(node: NodeView) -> Compute:
    """(x - offset) * scale in f32, or in f64 if x is; the result is f32. Numbers for each feature or for all."""
    x = node.tensor(0)
    if x.dtype not in FEATURES:
        raise Undefined(f"{node.op_type} of {x.dtype.value}")
    wide = x.dtype if x.dtype is DType.F64 else DType.F32
    names = ("offset", "scale")
    offset, scale = (np.asarray(node.attr(name, ()), np.float32).astype(wide.numpy) for name in names)
    if not x.rank or not len(offset) or not len(scale):
        raise Undefined(f"{node.op_type} without {'features' if not x.rank else 'offset and scale'}")
    width = x.shape[-1]
    for name, values in zip(names, (offset, scale)):
        if len(values) > 1 and isinstance(width, int) and len(values) != width:
            raise Misfit(f"{len(values)} numbers of {name} for {width} features")
        if len(values) > 1 and not isinstance(width, int):
            raise Undefined(f"{node.op_type} of a number of features that is only known during the run")
    tables = [constant_tensor(name, values) for name, values in zip(names, (offset, scale))]

    def body(i: Index) -> Expr:
        minus, times = (t[[i[-1] if len(v) > 1 else 0]] for t, v in zip(tables, (offset, scale)))
        return cast((cast(x[i], wide) - minus) * times, DType.F32)

    return Compute(DType.F32, x.shape, body)
