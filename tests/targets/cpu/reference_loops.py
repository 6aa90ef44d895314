"""What a Loops kernel means, by numpy over whole index grids, floats in f64: the oracle of the kernel tests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from burnish.dims import Dim, evaluate
from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import Loops
from burnish.ops.language.expr import Axis, Expr

Array = np.ndarray[Any, Any]

_UNARY = {
    "neg": np.negative, "abs": np.abs, "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "floor": np.floor, "ceil": np.ceil, "round": np.round, "sin": np.sin,
    "erf": np.vectorize(math.erf, otypes=[np.float64]), "reciprocal": np.reciprocal, "sign": np.sign,
    "not": np.logical_not, "isnan": np.isnan,
}  # fmt: skip
_BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum, "min": np.minimum, "pow": np.power,
    "floordiv": np.floor_divide, "mod": np.mod, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "and": np.logical_and,    "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal, "or": np.logical_or,
}  # fmt: skip
_REDUCE = {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min}


class Reference:
    """Runs a kernel on flat arrays, one per slot."""

    def __init__(self, kernel: Loops, arrays: Sequence[Array], dims: Mapping[str, int] | None = None) -> None:
        self.kernel, self.dims = kernel, dict(dims or {})
        self.arrays = [a.copy() for a in arrays]

    def run(self) -> list[Array]:
        """The arrays afterwards."""
        count = len(self.kernel.domain)
        axes: dict[Axis, Array] = {}
        for n, a in enumerate(self.kernel.domain):
            shape = [1] * count
            shape[n] = self.size(a.extent)
            axes[a] = np.arange(shape[n]).reshape(shape)
        shape = tuple(self.size(a.extent) for a in self.kernel.domain)
        with np.errstate(all="ignore"):
            values = [np.broadcast_to(self.value(s.value, axes), shape) for s in self.kernel.stores]
            for store, value in zip(self.kernel.stores, values):
                place = np.broadcast_to(self.offset(self.kernel.slots[store.slot], store.index, axes), shape)
                self.arrays[store.slot][place] = value.astype(self.arrays[store.slot].dtype)
        return self.arrays

    def size(self, dim: Dim) -> int:
        return evaluate(dim, self.dims)

    def offset(self, slot: Slot, index: Sequence[Expr], axes: dict[Axis, Array]) -> Array:
        total: Array = np.zeros((), np.int64)
        for e, stride in zip(index, slot.strides):
            total = total + self.value(e, axes) * self.size(stride)
        return total

    def value(self, e: Expr, axes: dict[Axis, Array]) -> Array:
        if e.op == "const":
            return np.asarray(e.attr, np.float64 if e.dtype.is_float else None)
        if e.op == "axis":
            return axes[e.attr]
        if e.op == "dim":
            return np.asarray(self.size(e.attr))
        if e.op == "load":
            raw = self.arrays[e.attr]
            place = self.offset(self.kernel.slots[e.attr], e.args, axes)
            found = raw[np.clip(place, 0, max(raw.size - 1, 0))]
            return found.astype(np.float64) if e.dtype.is_float else found
        if e.op == "reduce":
            kind, over = e.attr
            inner = dict(axes)
            rank = max((a.ndim for a in axes.values()), default=0)
            for n, a in enumerate(over):
                inner[a] = np.arange(self.size(a.extent)).reshape(-1, *[1] * (rank + n))
            lead = tuple(self.size(a.extent) for a in reversed(over))
            body = self.value(e.args[0], inner)
            body = np.broadcast_to(body, np.broadcast_shapes(body.shape, lead + (1,) * rank))
            start = {"max": -np.inf, "min": np.inf}.get(kind)
            options = {} if start is None or not e.dtype.is_float else {"initial": start}
            return _REDUCE[kind](body, axis=tuple(range(len(over))), **options)
        arguments = [self.value(a, axes) for a in e.args]
        if e.op == "where":
            return np.where(*arguments)
        if e.op == "cast":
            target = e.dtype.numpy
            rounded = arguments[0].astype(target)
            return rounded.astype(np.float64) if e.dtype.is_float else rounded
        if e.op == "div":
            return np.divide(*arguments) if e.dtype.is_float else np.trunc(np.divide(*arguments)).astype(np.int64)
        return _UNARY[e.op](*arguments) if e.op in _UNARY else _BINARY[e.op](*arguments)


def dense(dtype: DType, shape: Sequence[Dim]) -> Slot:
    """A row-major slot."""
    strides: list[Dim] = []
    step: Dim = 1
    for n in reversed(shape):
        strides.insert(0, step)
        step = n * step
    return Slot(dtype, tuple(shape), tuple(strides))
