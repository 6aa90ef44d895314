"""A slow, plain interpreter of definitions in numpy: the meaning that every target must give them.

Every load checks its index, also where a `where` discards the value: no definition may read outside a tensor.
"""

from __future__ import annotations

import itertools
import math

import ml_dtypes
import numpy as np

from burnish.dims import evaluate
from burnish.ops.language.definition import Attention, Compute, Concat, Conv, MatMul, Reshape, View
from burnish.ops.language.ensemble import FEATURE_BITS, LEAF, MODE_MASK, MODES, NAN_SHIFT, RECORD_BYTES
from burnish.ops.language.expr import Axis, axis

UNARY = {
    "neg": np.negative, "abs": np.abs, "sign": np.sign, "exp": np.exp, "log": np.log, "sqrt": np.sqrt,
    "floor": np.floor, "ceil": np.ceil, "round": np.rint, "trunc": np.trunc, "tanh": np.tanh, "sin": np.sin,
    "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh,
    "cosh": np.cosh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "log1p": np.log1p,
    "expm1": np.expm1, "isnan": np.isnan, "isinf": np.isinf, "not": np.logical_not, "bitnot": np.bitwise_not,
    "reciprocal": lambda x: 1 / x, "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "sigmoid": lambda x: 0.5 * (1 + np.tanh(0.5 * x)), "round_f16": lambda x: x.astype(np.float16),
    "round_bf16": lambda x: x.astype(ml_dtypes.bfloat16),
    "round_f8e4m3": lambda x: x.astype(ml_dtypes.float8_e4m3fn),
    "gelu": lambda x: x * 0.5 * np.vectorize(math.erfc, otypes=[np.float64])(x * -math.sqrt(0.5)),
    "gelu_tanh": lambda x: x * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
}  # fmt: skip
BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "floordiv": np.floor_divide, "mod": np.mod, "fmod": np.fmod,
    "pow": np.power, "max": np.maximum, "min": np.minimum, "eq": np.equal, "ne": np.not_equal, "lt": np.less,
    "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "and": np.logical_and, "or": np.logical_or,
    "xor": np.logical_xor, "bitand": np.bitwise_and, "bitor": np.bitwise_or, "bitxor": np.bitwise_xor,
    "shl": np.left_shift, "shr": np.right_shift, "unfused_mul": np.multiply,
}  # fmt: skip
REDUCE = {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min}


def interpret(definition, values, sizes=None):
    """The output's array; `values` maps the name of each input to its array, `sizes` each symbol to a number."""
    sizes = sizes or {}
    shape = tuple(evaluate(d, sizes) for d in definition.shape)
    if isinstance(definition, Reshape):
        return values[definition.source.name].reshape(shape)
    if isinstance(definition, Concat):
        return np.concatenate([values[p.name] for p in definition.parts], axis=definition.axis)
    if isinstance(definition, MatMul):
        return _matmul(definition, values)
    if isinstance(definition, Conv):
        return _conv(definition, values, shape)
    if isinstance(definition, Attention):
        return _attention(definition, values)
    axes = tuple(Axis(f"i{n}", d) for n, d in enumerate(definition.shape))
    index = [axis(a) for a in axes]
    if isinstance(definition, View):
        body = definition.source[tuple(definition.where(index))]
    else:
        assert isinstance(definition, Compute)
        body = definition.body(index)
    assert body.dtype is definition.dtype, f"{body.dtype} in a definition of {definition.dtype}"
    rank = len(axes)
    grid = {a: np.arange(shape[n]).reshape([-1 if n == m else 1 for m in range(rank)]) for n, a in enumerate(axes)}
    with np.errstate(all="ignore"):
        result = _Evaluation(grid, values, rank, sizes).value(body)
    return np.broadcast_to(result, shape).astype(definition.dtype.numpy)


def sums_over_trees(definition, values):
    """What `Trees.sums` holds, by the ensemble's records, one row and one tree at a time."""
    trees, x = definition.ensemble, values[definition.x.name]
    dtype = np.float64 if definition.sums.dtype.size_bytes == 8 else np.float32
    wide = np.dtype(dtype).itemsize // 4
    thresholds = np.ascontiguousarray(trees.nodes[:, :wide]).view(dtype)[:, 0]
    start = {"sum": 0.0, "min": np.inf, "max": -np.inf}[definition.combine]
    sums = np.full((len(x), trees.target_count), start, dtype)
    for row, features in enumerate(x):
        for tree in range(trees.tree_count):
            node = tree
            while trees.nodes[node, wide + 1] != LEAF:
                node = _child(trees, thresholds, wide, node, features)
            if trees.starts is None:
                target = trees.targets[tree if len(trees.targets) > 1 else 0]
                sums[row, target] = REDUCE[definition.combine]([sums[row, target], thresholds[node]])
                continue
            leaf = trees.nodes[node, 0]
            for pair in range(trees.starts[leaf], trees.starts[leaf + 1]):
                sums[row, trees.targets[pair]] += trees.weights[pair]
    return sums


def _child(trees, thresholds, wide, node, features):
    question, child = int(trees.nodes[node, wide]) & 0xFFFFFFFF, int(trees.nodes[node, wide + 1])
    mode = trees.modes[0] if len(trees.modes) == 1 else MODES[question >> FEATURE_BITS & MODE_MASK]
    value = features[question & ((1 << FEATURE_BITS) - 1)]
    if trees.tracks_missing and np.isnan(value):
        return (child + (question >> NAN_SHIFT)) // RECORD_BYTES
    names = {"LEQ": "le", "LT": "lt", "GTE": "ge", "GT": "gt", "EQ": "eq", "NEQ": "ne"}
    return child // RECORD_BYTES + (0 if BINARY[names[mode]](value, thresholds[node]) else 1)


class _Evaluation:
    def __init__(self, grid, values, rank, sizes):
        self.grid, self.values, self.rank, self.sizes, self.done = grid, values, rank, sizes, {}

    def value(self, node):
        if id(node) not in self.done:
            self.done[id(node)] = self.compute(node)
        return self.done[id(node)]

    def compute(self, node):
        if node.op == "const":
            return np.asarray(node.attr).astype(node.dtype.numpy)
        if node.op == "dim":
            return np.int64(evaluate(node.attr, self.sizes))
        if node.op == "axis":
            return self.grid[node.attr]
        if node.op == "reduce":
            return self.reduce(node)
        args = [self.value(a) for a in node.args]
        if node.op == "load":
            return self.load(node.attr, args)
        if node.op == "cast":
            return args[0].astype(node.dtype.numpy)
        if node.op == "where":
            return np.where(*args)
        if node.op == "div" and node.dtype.is_integer:
            return np.trunc(np.divide(args[0].astype(object), args[1].astype(object))).astype(node.dtype.numpy)
        if node.op == "div":
            return np.divide(*args)
        result = BINARY[node.op](*args) if node.op in BINARY else UNARY[node.op](*args)
        return np.asarray(result).astype(node.dtype.numpy)

    def load(self, tensor, index):
        array = self.values[tensor.name]
        for extent, i in zip(array.shape, index):
            assert np.all((i >= 0) & (i < extent)), f"{tensor.name} is read outside its {extent} elements"
        return array[tuple(index)] if index else array[()]

    def reduce(self, node):
        kind, axes = node.attr
        deeper = self.rank + len(axes)
        grid = {a: g.reshape(g.shape + (1,) * len(axes)) for a, g in self.grid.items()}
        for n, a in enumerate(axes):
            grid[a] = np.arange(evaluate(a.extent, self.sizes)).reshape(
                [-1 if m == self.rank + n else 1 for m in range(deeper)]
            )
        body = np.asarray(_Evaluation(grid, self.values, deeper, self.sizes).value(node.args[0]))
        body = body.reshape((1,) * (deeper - body.ndim) + body.shape)
        full = body.shape[: self.rank] + tuple(evaluate(a.extent, self.sizes) for a in axes)
        body = np.broadcast_to(body, full)
        over = tuple(range(self.rank, deeper))
        initial = {"max": _lowest(node.dtype), "min": _highest(node.dtype)}.get(kind)
        options = {} if initial is None else {"initial": initial}
        return REDUCE[kind](body, axis=over, **options).astype(node.dtype.numpy)


def _lowest(dtype):
    return -np.inf if dtype.is_float else np.iinfo(dtype.numpy).min


def _highest(dtype):
    return np.inf if dtype.is_float else np.iinfo(dtype.numpy).max


def _centred(tensor, zero, along, values):
    """Without its zero point: one number, or one for each place on an axis."""
    array = values[tensor.name].astype(np.float64)
    if zero is None:
        return array
    shape = [1] * array.ndim
    shape[along] = -1
    return array - values[zero.name].astype(np.float64).reshape(shape)


def _matmul(d, values):
    a, b = _centred(d.a, d.a_zero, -2, values), _centred(d.b, d.b_zero, -1, values)
    a = a.swapaxes(-1, -2) if d.transpose_a else a
    b = b.swapaxes(-1, -2) if d.transpose_b else b
    result = d.alpha * (a @ b)
    if d.bias is not None:
        result = result + d.beta * values[d.bias.name].astype(np.float64)
    return result.astype(d.dtype.numpy)


def _conv(d, values, shape):
    x, weight = _centred(d.x, d.x_zero, 1, values), _centred(d.weight, d.weight_zero, 0, values)
    out = np.zeros(shape)
    taps = itertools.product(*(range(k) for k in weight.shape[2:]))
    per_group = shape[1] // d.groups
    inputs = x.shape[1] // d.groups
    for tap in taps:
        for y in np.ndindex(*(x.shape[2:] if d.transposed else shape[2:])):
            there = [v * s + r * e - p for v, s, r, e, p in zip(y, d.strides, tap, d.dilations, d.pads_begin)]
            limit = shape[2:] if d.transposed else x.shape[2:]
            if not all(0 <= t < n for t, n in zip(there, limit)):
                continue
            source, target = (y, tuple(there)) if d.transposed else (tuple(there), y)
            for g in range(d.groups):
                o, c = slice(g * per_group, (g + 1) * per_group), slice(g * inputs, (g + 1) * inputs)
                matrix = weight[(c, slice(None), *tap)] if d.transposed else weight[(o, slice(None), *tap)].T
                out[(slice(None), o, *target)] += x[(slice(None), c, *source)] @ matrix
    if d.bias is not None:
        out += values[d.bias.name].reshape(-1, *[1] * (out.ndim - 2))
    return out.astype(d.dtype.numpy)


def _attention(d, values):
    q, k, v = (values[t.name].astype(np.float64) for t in (d.q, d.k, d.v))
    repeat = q.shape[1] // k.shape[1]
    k, v = (np.repeat(t, repeat, axis=1) for t in (k, v))
    scores = d.scale * q @ k.swapaxes(-1, -2)
    if d.softcap:
        scores = d.softcap * np.tanh(scores / d.softcap)
    if d.mask is not None:
        mask = values[d.mask.name]
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    if d.causal:
        rows, columns = np.indices(scores.shape[-2:])
        scores = np.where(columns <= rows + scores.shape[-1] - scores.shape[-2], scores, -np.inf)
    top = scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores - np.where(np.isinf(top), 0, top))
    total = weights.sum(axis=-1, keepdims=True)
    return (weights / np.where(total == 0, 1, total) @ v).astype(d.dtype.numpy)
