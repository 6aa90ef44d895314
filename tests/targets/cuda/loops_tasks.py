"""Loops kernels that tests of the GPU's template share."""

from __future__ import annotations

from burnish.dtypes import DType
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, axis, binary, cast, const, load, reduce, unary, where
from tests.targets.cpu.reference_loops import dense

F32, I64 = DType.F32, DType.I64


def at(*axes):
    return [axis(a) for a in axes]


def softmax(rows, columns, dtype=F32):
    i, j, r, s = Axis("i0", rows), Axis("i1", columns), Axis("r0_0", columns), Axis("r1_0", columns)

    def x(a):
        return cast(load(0, dtype, at(i, a)), F32)

    largest = reduce("max", [r], x(r))
    total = reduce("sum", [s], unary("exp", x(s) - largest))
    value = cast(unary("exp", x(j) - largest) / total, dtype)
    slot = dense(dtype, (rows, columns))
    return Loops((slot, slot), (i, j), (Store(1, tuple(at(i, j)), value),))


def layer_norm(rows, columns, dtype=F32):
    i, j, r = Axis("i0", rows), Axis("i1", columns), Axis("r0_0", columns)
    r2 = Axis("r1_0", columns)
    count = const(columns, F32)

    def x(a):
        return cast(load(0, dtype, at(i, a)), F32)

    mean = reduce("sum", [r], x(r)) / count
    centred = x(r2) - mean
    variance = reduce("sum", [r2], centred * centred) / count
    value = (x(j) - mean) / unary("sqrt", variance + const(1e-5, F32)) * load(1, F32, at(j))
    slot = dense(dtype, (rows, columns))
    return Loops((slot, dense(F32, (columns,)), slot), (i, j), (Store(2, tuple(at(i, j)), cast(value, dtype)),))


def depthwise(n, h, w, c, k, stride=1):
    p = k // 2
    oh, ow = (h - 1) // stride + 1, (w - 1) // stride + 1
    i = [Axis(f"i{m}", e) for m, e in enumerate((n, oh, ow, c))]
    r = [Axis("r0_0", k), Axis("r0_1", k)]
    y, x = (axis(i[m + 1]) * stride + axis(r[m]) - p for m in (0, 1))

    def inside(v, extent):
        return binary("and", binary("ge", v, const(0, I64)), binary("lt", v, const(extent, I64)))

    def clamped(v, extent):
        return binary("max", binary("min", v, const(extent - 1, I64)), const(0, I64))

    pixel = load(0, F32, [axis(i[0]), clamped(y, h), clamped(x, w), axis(i[3])])
    taken = where(binary("and", inside(y, h), inside(x, w)), pixel, 0.0)
    value = reduce("sum", r, taken * load(1, F32, [axis(r[0]), axis(r[1]), axis(i[3])]))
    slots = (dense(F32, (n, h, w, c)), dense(F32, (k, k, c)), dense(F32, (n, oh, ow, c)))
    return Loops(slots, tuple(i), (Store(2, tuple(at(*i)), value),)), n * oh * ow * c
