"""Operators on every dtype against numpy in f64, and what the emitter does with loads, masks and sizes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.errors import InternalError
from burnish.kernels.slot import Slot
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, acc, axis, binary, cast, const, load, reduce, unary, where
from burnish.target import parse_target
from burnish.targets.cuda.expressions.emitter import Value, emitter_at, placed
from burnish.targets.cuda.loops import template as loops
from burnish.targets.cuda.source import Size
from burnish.targets.cuda.text import KernelText
from tests.targets.cuda.interpret import interpret

HOPPER = parse_target("cuda:sm_90a")
ROW, COLUMN = frozenset({0}), frozenset({1})
FLOATS = [DType.F16, DType.BF16, DType.F32, DType.F64]
INTEGERS = [DType.I8, DType.U8, DType.I16, DType.U16, DType.I32, DType.U32, DType.I64, DType.U64]
TOLERANCE = {DType.F16: 2e-3, DType.BF16: 1.6e-2, DType.F32: 1e-6, DType.F64: 1e-13}
_erf = np.vectorize(math.erf, otypes=[np.float64])
UNARY = {
    "neg": np.negative, "abs": np.abs, "sign": np.sign, "exp": np.exp, "log": np.log, "sqrt": np.sqrt,
    "reciprocal": np.reciprocal, "floor": np.floor, "ceil": np.ceil, "round": np.round, "trunc": np.trunc,
    "tanh": np.tanh, "erf": _erf, "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "sin": np.sin, "cos": np.cos,
    "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "log1p": np.log1p, "expm1": np.expm1,
    "isnan": np.isnan, "isinf": np.isinf,
}  # fmt: skip
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, 7.0, np.inf, -np.inf, np.nan, 1e-3, -1e-3]


def elementwise(value, operands, result):
    """Run value(loads) over arrays of one length."""
    n = len(operands[0])
    i = Axis("i0", n)
    dtypes = [DType.of(o.dtype) for o in operands]
    loads = [load(k, d, [axis(i)]) for k, d in enumerate(dtypes)]
    slots = tuple(Slot(d, (n,), (1,)) for d in (*dtypes, result))
    kernel = Loops(slots, (i,), (Store(len(operands), (axis(i),), value(*loads)),))
    out = np.zeros(n, result.numpy)
    source = loops.emit(kernel, loops.schedules(kernel, HOPPER, {})[0], HOPPER)
    interpret(source, {**dict(enumerate(operands)), len(operands): out}, written={len(operands)})
    return out


def floats(dtype, count=60):
    generator = np.random.default_rng(7)
    return np.concatenate([SPECIAL, generator.normal(0, 2, count), generator.uniform(-1, 1, count)]).astype(dtype.numpy)


def close(got, want, dtype):
    np.testing.assert_allclose(
        got.astype(np.float64), want.astype(dtype.numpy).astype(np.float64), rtol=TOLERANCE[dtype], atol=1e-30
    )


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_functions_of_one_float(dtype):
    x = floats(dtype)
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        for op, function in UNARY.items():
            result = DType.BOOL if op in ("isnan", "isinf") else dtype
            got = elementwise(lambda v, op=op: unary(op, v), [x], result)
            want = function(wide)
            if result is DType.BOOL:
                np.testing.assert_array_equal(got, want, err_msg=op)
            else:
                close(got, want, dtype)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_gelu_is_within_a_rounding_of_its_argument(dtype):
    x = floats(dtype)
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        inner = math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)
        for op, twice in (("gelu", 1 + _erf(wide * math.sqrt(0.5))), ("gelu_tanh", 1 + np.tanh(inner))):
            got, want = elementwise(lambda v, op=op: unary(op, v), [x], dtype).astype(np.float64), wide * twice / 2
            assert np.isnan(got[np.isnan(x)]).all(), op
            assert (abs(got - want) <= TOLERANCE[dtype] / 2 * abs(wide))[np.isfinite(x)].all(), op


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_functions_of_two_floats(dtype):
    x, y = floats(dtype), np.random.default_rng(1).permutation(floats(dtype))
    a, b = x.astype(np.float64), y.astype(np.float64)
    known = {
        "add": a + b, "sub": a - b, "mul": a * b, "max": np.maximum(a, b), "min": np.minimum(a, b),
    }  # fmt: skip
    with np.errstate(all="ignore"):
        known |= {"div": a / b, "fmod": np.fmod(a, b), "mod": np.mod(a, b), "pow": np.power(a, b)}
        for op, want in known.items():
            close(elementwise(lambda v, w, op=op: binary(op, v, w), [x, y], dtype), want, dtype)
        for op, want in {"eq": a == b, "ne": a != b, "lt": a < b, "le": a <= b, "gt": a > b, "ge": a >= b}.items():
            got = elementwise(lambda v, w, op=op: binary(op, v, w), [x, y], DType.BOOL)
            np.testing.assert_array_equal(got, want, err_msg=op)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_functions_of_two_integers_never_trap(dtype):
    info = np.iinfo(dtype.numpy)
    edges = [info.min, info.max, 0, 1, 2, 3, 5, 7, 100, *([-1, -2, -7] if dtype.is_signed else [])]
    pairs = np.array([(a, b) for a in edges for b in edges], object)
    x, y = (pairs[:, n].astype(dtype.numpy) for n in (0, 1))

    def wrapped(function):
        values = [function(int(a), int(b)) for a, b in zip(x, y)]
        return (
            np.array([v & ((1 << info.bits) - 1) for v in values], np.uint64)
            .astype(np.dtype(f"u{dtype.size_bytes}"))
            .view(dtype.numpy)
        )

    def truncated(a, b):
        return 0 if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)

    def power(a, b):
        return pow(a, b, 1 << info.bits) if b >= 0 else (a if b & 1 else 1) if abs(a) == 1 else 0

    expected = {
        "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "max": max, "min": min,
        "div": truncated, "floordiv": lambda a, b: a // b if b else 0,
        "shl": lambda a, b: a << b if 0 <= b < info.bits else 0,
        "shr": lambda a, b: a >> b if 0 <= b < info.bits else 0,
        "bitand": lambda a, b: a & b, "bitor": lambda a, b: a | b, "bitxor": lambda a, b: a ^ b, "pow": power,
    }  # fmt: skip
    for op, function in expected.items():
        got = elementwise(lambda v, w, op=op: binary(op, v, w), [x, y], dtype)
        np.testing.assert_array_equal(got, wrapped(function), err_msg=op)
    nonzero = y != 0
    remainders = {"mod": lambda a, b: a % b if b else 0, "fmod": lambda a, b: a - truncated(a, b) * b}
    for op, function in remainders.items():
        got = elementwise(lambda v, w, op=op: binary(op, v, w), [x, y], dtype)
        np.testing.assert_array_equal(got[nonzero], wrapped(function)[nonzero], err_msg=op)


@pytest.mark.parametrize("divisor", [-7, -1, 1, 3, 8])
def test_division_by_a_known_integer(divisor):
    x = np.arange(-20, 20, dtype=np.int32)
    quotient = elementwise(lambda v: binary("floordiv", v, const(divisor, DType.I32)), [x], DType.I32)
    np.testing.assert_array_equal(quotient, x // divisor)
    rest = elementwise(lambda v: binary("mod", v, const(divisor, DType.I32)), [x], DType.I32)
    np.testing.assert_array_equal(rest, x % divisor)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_functions_of_one_integer(dtype):
    x = np.array([0, 1, 2, 100, *([-1, -2, -100] if dtype.is_signed else [200])]).astype(dtype.numpy)
    for op, function in {"abs": np.abs, "sign": np.sign, "neg": np.negative, "bitnot": np.invert}.items():
        np.testing.assert_array_equal(elementwise(lambda v, op=op: unary(op, v), [x], dtype), function(x), err_msg=op)


def test_logic_on_bools():
    x, y = np.array([0, 0, 1, 1], bool), np.array([0, 1, 0, 1], bool)
    for op, function in {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor, "eq": np.equal}.items():
        got = elementwise(lambda v, w, op=op: binary(op, v, w), [x, y], DType.BOOL)
        np.testing.assert_array_equal(got, function(x, y), err_msg=op)
    np.testing.assert_array_equal(elementwise(lambda v: unary("not", v), [x], DType.BOOL), ~x)


@pytest.mark.parametrize("target", [*FLOATS, *INTEGERS, DType.BOOL], ids=str)
@pytest.mark.parametrize("source", [*FLOATS, *INTEGERS, DType.BOOL], ids=str)
def test_casts_between_all_types(source, target):
    x = np.array([0, 1, 2, 3, 7, 100, 127]).astype(source.numpy)
    got = elementwise(lambda v: cast(v, target), [x], target)
    np.testing.assert_array_equal(got, x.astype(target.numpy))


def test_a_cast_to_an_integer_truncates_and_rounds_quotients_right():
    x = np.array([0.9, -0.9, 1.5, -1.5, 2.5, 2**30], np.float32)
    got = elementwise(lambda v: cast(v, DType.I32), [x], DType.I32)
    np.testing.assert_array_equal(got, x.astype(np.int32))
    rounded = elementwise(lambda v: unary("round", v / const(0.5, DType.F32)), [x], DType.F32)
    np.testing.assert_array_equal(rounded, np.round(x / np.float32(0.5)))


def test_half_floats_are_rounded_only_when_stored():
    x = np.array([1.0, 2049.0, 0.1], np.float16)
    got = elementwise(lambda v: cast(cast(v, DType.F32) * 3.0, DType.F16) * const(1 / 3, DType.F16), [x], DType.F16)
    third = np.float64(np.float16(1 / 3))
    np.testing.assert_array_equal(got, (x.astype(np.float64) * 3 * third).astype(np.float16))


def test_where_takes_constants_of_the_results_type():
    x = np.arange(5, dtype=np.float64)
    got = elementwise(
        lambda v: where(binary("gt", v, 2.0), const(1e300, DType.F64), const(-1.0, DType.F64)), [x], DType.F64
    )
    np.testing.assert_array_equal(got, np.where(x > 2, 1e300, -1.0))


# -- the emitter as such ----------------------------------------------------------------------------------------------


def emitter(slots, axes, **options):
    return emitter_at(KernelText(slots, HOPPER), axes, **options)


def test_an_expression_is_written_once():
    i = Axis("i", 8)
    scope = emitter([Slot(DType.F32, (8,), (1,))], {i: placed("i", COLUMN)})
    x = load(0, DType.F32, [axis(i)])
    first = scope.value(x * x)
    assert scope.value(x * x) == first
    assert sum("tl.load" in line for line in scope.code.text.lines) == 1


def test_a_quotient_that_all_elements_share_is_rounded_correctly():
    i = Axis("i", 8)
    scope = emitter([Slot(DType.F32, (8,), (1,)), Slot(DType.F32, (1,), (1,))], {i: placed("i", COLUMN)})
    scope.value(load(1, DType.F32, [0]) / const(255.0, DType.F32))
    assert sum("tl.div_rn" in line for line in scope.code.text.lines) == 1
    scope.value(load(0, DType.F32, [axis(i)]) / const(255.0, DType.F32))
    assert sum("tl.div_rn" in line for line in scope.code.text.lines) == 1


def test_addresses_are_of_32_bits_where_they_fit():
    i, j = Axis("i", 1 << 16), Axis("j", 1 << 10)
    near, far = Slot(DType.F32, (1 << 16, 1 << 10), (1 << 10, 1)), Slot(DType.F32, (1 << 16, 1 << 10), (1 << 16, 1))
    places = {i: placed("i", ROW), j: placed("j", COLUMN)}
    for slot, is_wide in ((near, False), (far, True)):
        scope = emitter([slot], places)
        scope.value(load(0, DType.F32, [axis(i), axis(j)]))
        assert any("int64" in line for line in scope.code.text.lines) == is_wide


def test_symbols_become_sizes_with_what_divides_them():
    n = symbol("n")
    i, j = Axis("i", n), Axis("j", 64)
    scope = emitter([Slot(DType.F32, (n, 64), (64 * n, 1))], {i: placed("i", ROW), j: placed("j", COLUMN)})
    scope.value(load(0, DType.F32, [axis(i), axis(j)]))
    (size,) = (p for p in scope.code.text.parameters() if isinstance(p, Size))
    assert (size.value, size.divisible, size.dtype) == (64 * n, 16, DType.I64)


def test_masks_are_those_of_the_axes_that_a_load_depends_on():
    i, j = Axis("i", 5), Axis("j", 7)
    slots = [Slot(DType.F32, (7,), (1,)), Slot(DType.F32, (5, 7), (7, 1))]
    scope = emitter(slots, {i: placed("i", ROW, "im"), j: placed("j", COLUMN, "jm")})
    scope.value(load(0, DType.F32, [axis(j)]) + load(1, DType.F32, [axis(i), axis(j)]))
    first, second = (line for line in scope.code.text.lines if "tl.load" in line)
    assert "mask=jm" in first
    assert "mask=im & jm" in second


def test_an_accumulator_stands_for_acc():
    scope = emitter([], {}, accumulators=[Value("total", "float32", ROW | COLUMN)])
    scope.value(unary("exp", acc(0, DType.F32)))
    assert scope.code.text.lines == ["    v1 = tl.exp(total)"]


def test_a_reduction_in_an_epilogue_is_refused():
    r = Axis("r", 4)
    scope = emitter([Slot(DType.F32, (4,), (1,))], {})
    with pytest.raises(InternalError, match="E901"):
        scope.value(reduce("sum", [r], load(0, DType.F32, [axis(r)])))


def test_an_operator_without_code_is_named():
    with pytest.raises(InternalError, match="operator tan on i32"):
        elementwise(lambda v: unary("tan", v), [np.zeros(3, np.int32)], DType.I32)


def test_erf_of_halves_is_within_a_tenth_of_their_half_ulp():
    x = np.concatenate([np.linspace(-6, 6, 2001), [0.0, -0.0, np.inf, -np.inf]]).astype(np.float16)
    i = Axis("i0", len(x))
    slots = (Slot(DType.F16, (len(x),), (1,)), Slot(DType.F32, (len(x),), (1,)))
    value = cast(unary("erf", load(0, DType.F16, [axis(i)])), DType.F32)
    kernel = Loops(slots, (i,), (Store(1, (axis(i),), value),))
    got = np.zeros(len(x), np.float32)
    interpret(loops.emit(kernel, loops.schedules(kernel, HOPPER, {})[0], HOPPER), {0: x, 1: got}, written={1})
    np.testing.assert_allclose(got, _erf(x.astype(np.float64)), rtol=4e-5)
