"""Every operator on every dtype against numpy; what numpy leaves open is as the module says."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import pytest
from llvmlite import ir

import burnish
from burnish.dtypes import DType
from burnish.errors import InternalError
from burnish.kernels.slot import Slot
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, axis, const, load
from burnish.ops.quantize import requantize
from burnish.targets.cpu.builder import F32, I8, I32, KernelBuilder, KernelContext
from burnish.targets.cpu.codegen import assembly
from burnish.targets.cpu.expressions import arithmetic
from burnish.targets.cpu.loops import template as loops
from tests.targets.cpu.elementwise import evaluate
from tests.targets.cpu.run_kernel import TARGETS, runnable

LEVELS = [pytest.param(t, id=t.level) for t in TARGETS if runnable(t)]
INTEGERS = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64]


def pairs(dtype):
    random = np.random.default_rng(0)
    info = np.iinfo(dtype)
    x, y = (random.integers(info.min, info.max, 400, dtype=dtype, endpoint=True) for _ in range(2))
    edges = np.array([0, 1, info.max, info.min, info.max - 1, 3, 7], dtype)
    a, b = (g.ravel() for g in np.meshgrid(edges, edges))
    small = random.integers(0, 9, 200).astype(dtype)
    return np.concatenate([x, a, x[:200]]), np.concatenate([y, b, small])


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_arithmetic_wraps_like_numpy(dtype, target):
    x, y = pairs(dtype)
    functions = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum, "min": np.minimum,
                 "bitand": np.bitwise_and, "bitor": np.bitwise_or, "bitxor": np.bitwise_xor, "lt": np.less,
                 "ge": np.greater_equal, "eq": np.equal}  # fmt: skip
    for op, function in functions.items():
        np.testing.assert_array_equal(evaluate(op, target, x, y), function(x, y), err_msg=op)
    for op, function in {"abs": np.abs, "neg": np.negative, "sign": np.sign, "bitnot": np.bitwise_not}.items():
        np.testing.assert_array_equal(evaluate(op, target, x), function(x), err_msg=op)


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_division_is_exact_and_never_traps(dtype, target):
    x, y = pairs(dtype)
    with np.errstate(all="ignore"):
        floor, rest = np.floor_divide(x, y), np.mod(x, y)
        truncated = np.where((rest != 0) & ((x < 0) != (y < 0)), floor + np.array(1, dtype), floor)
        remainder = np.fmod(x, y)
    nonzero = y != 0
    if np.iinfo(dtype).min < 0:
        nonzero &= ~((y == -1) & (x == np.iinfo(dtype).min))
    for op, expected in {"div": truncated, "floordiv": floor, "mod": rest, "fmod": remainder}.items():
        got = evaluate(op, target, x, y)
        np.testing.assert_array_equal(got[nonzero], expected[nonzero], err_msg=op)
        if op in ("div", "floordiv"):
            assert np.all(got[y == 0] == 0)


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64])
def test_shifts_by_the_width_or_more_give_zero(dtype, target):
    bits = np.dtype(dtype).itemsize * 8
    x, y = pairs(dtype)
    y %= np.array(min(bits + 10, 200), dtype)
    safe = np.minimum(y, np.array(bits - 1, dtype))
    for op, function in {"shl": np.left_shift, "shr": np.right_shift}.items():
        expected = np.where(y < bits, function(x, safe), 0)
        np.testing.assert_array_equal(evaluate(op, target, x, y), expected, err_msg=op)


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
def test_integer_powers(dtype, target):
    random = np.random.default_rng(1)
    x, y = random.integers(0, 12, 300).astype(dtype), random.integers(0, 20, 300).astype(dtype)
    np.testing.assert_array_equal(evaluate("pow", target, x, y), np.power(x, y))
    if dtype is np.int64:
        got = evaluate("pow", target, np.array([2, 1, -1, -1, 0]), np.array([-1, -5, -3, -2, -1]))
        assert got.tolist() == [0, 1, -1, 1, 0]


@pytest.mark.parametrize("target", LEVELS)
def test_casts_between_all_dtypes(target):
    names = ["f32", "f64", "f16", "bf16", "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "bool"]
    dtypes = [DType(n) for n in names]
    for source in dtypes:
        values = np.array([0, 1, 2, 3, 5, 17, 100, 127])
        x = values.astype(source.numpy)
        for result in dtypes:
            if source is not result:
                np.testing.assert_array_equal(evaluate("cast", target, x, result=result), x.astype(result.numpy))


@pytest.mark.parametrize("target", LEVELS)
def test_negative_numbers_wrap_and_truncate_as_in_c(target):
    x = np.array([-1.9, -1.0, -0.5, 0.5, 1.9, -128.0, 254.9], np.float32)
    assert evaluate("cast", target, x, result=DType.I32).tolist() == [-1, -1, 0, 0, 1, -128, 254]
    assert evaluate("cast", target, x, result=DType.U8).tolist() == [255, 255, 0, 0, 1, 128, 254]
    assert evaluate("cast", target, x, result=DType.BOOL).tolist() == [True] * 7


@pytest.mark.parametrize("target", LEVELS)
def test_rounding_and_signs_of_floats(target):
    x = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.0, -0.0, np.nan, np.inf, -np.inf, 1e30, 0.49999997], np.float32)
    for op, function in {"round": np.round, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "sign": np.sign,
                         "isnan": np.isnan, "isinf": np.isinf, "abs": np.abs, "neg": np.negative}.items():  # fmt: skip
        np.testing.assert_array_equal(evaluate(op, target, x), function(x), err_msg=op)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(evaluate("sqrt", target, x), np.sqrt(x))
        np.testing.assert_array_equal(evaluate("reciprocal", target, x), np.reciprocal(x))


@pytest.mark.parametrize("target", LEVELS)
def test_maximum_and_minimum_propagate_nan(target):
    special = np.array([np.nan, -np.inf, -1.0, 0.0, 2.0, np.inf], np.float32)
    x, y = (g.ravel() for g in np.meshgrid(special, special))
    np.testing.assert_array_equal(evaluate("max", target, x, y), np.maximum(x, y))
    np.testing.assert_array_equal(evaluate("min", target, x, y), np.minimum(x, y))


@pytest.mark.parametrize(
    "op, dtype, element", [("bitand", DType.F32, F32), ("exp", DType.I32, I32), ("div", DType.BOOL, I8)]
)
def test_an_operator_without_code_is_an_internal_error(op, dtype, element):
    b = KernelBuilder(KernelContext(ir.Module("m"), TARGETS[0], {}), "kernel", 0)
    x = ir.Constant(element, 1)
    with pytest.raises(InternalError, match=f"E901: operator {op}"):
        if op == "exp":
            arithmetic.unary(b, op, dtype, x)
        else:
            arithmetic.binary(b, op, dtype, x, x)


def test_an_integer_operator_without_code_is_an_internal_error():
    b = KernelBuilder(KernelContext(ir.Module("m"), TARGETS[0], {}), "kernel", 0)
    with pytest.raises(InternalError, match="E901: operator nonsense on i32"):
        arithmetic.binary(b, "nonsense", DType.I32, ir.Constant(I32, 1), ir.Constant(I32, 1))


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize(("op", "kind"), [("round_f16", np.float16), ("round_bf16", ml_dtypes.bfloat16)])
def test_a_float_is_rounded_as_a_narrower_type_holds_it(op, kind, target):
    x = np.random.default_rng(0).standard_normal(500).astype(np.float32) * 300
    x = np.concatenate([x, np.array([np.inf, -np.inf, 70000, -0.0, 1e-6, np.nan], np.float32)])
    with np.errstate(over="ignore"):
        want = x.astype(kind).astype(np.float32)
    np.testing.assert_array_equal(evaluate(op, target, x), want)


@pytest.mark.parametrize("kind", [np.float32, np.float64, ml_dtypes.bfloat16, np.float16])
def test_a_subnormal_number_has_a_sign_and_is_true_in_a_run_and_in_a_constant(kind):
    """As IEEE and ONNX Runtime say, although a plan's arithmetic takes it as zero."""
    tiny = float(ml_dtypes.finfo(kind).smallest_subnormal)
    x = np.array([tiny, -tiny, 0.0, -0.0, 2.5, -np.inf, np.nan], kind)
    element = onnx.helper.np_dtype_to_tensor_dtype(x.dtype)
    inputs = [onnx.helper.make_tensor_value_info("x", element, [7])]
    outputs = [
        onnx.helper.make_tensor_value_info("s", element, [7]),
        onnx.helper.make_tensor_value_info("t", onnx.TensorProto.BOOL, [7]),
    ]
    nodes = [
        onnx.helper.make_node("Sign", ["x"], ["s"]),
        onnx.helper.make_node("Cast", ["x"], ["t"], to=onnx.TensorProto.BOOL),
    ]
    constants = [onnx.helper.make_tensor("x", element, [7], x.tobytes(), raw=True)]
    for graph in (
        onnx.helper.make_graph(nodes, "run", inputs, outputs),
        onnx.helper.make_graph(nodes, "folded", [], outputs, constants),
    ):
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10)
        with burnish.load(burnish.build(model), threads=1) as engine:
            found = engine({"x": x} if graph.input else {})
        np.testing.assert_array_equal(found["s"].astype(np.float64), [1, -1, 0, 0, 1, -1, np.nan])
        np.testing.assert_array_equal(found["t"], [True, True, False, False, True, True, True])


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.level)
def test_numbers_are_limited_and_rounded_to_codes_by_one_instruction_each(target):
    i = Axis("i", 4096)
    value = requantize(load(0, DType.F32, [axis(i)]), load(1, DType.U8, [const(0, DType.I64)]), DType.U8)
    slots = (Slot(DType.F32, (4096,), (1,)), Slot(DType.U8, (1,), (1,)), Slot(DType.U8, (4096,), (1,)))
    kernel, module = Loops(slots, (i,), (Store(2, (axis(i),), value),)), ir.Module("m")
    loops.emit(KernelContext(module, target, {}), kernel, loops.schedules(kernel, target)[0], "f").linkage = "external"
    text = assembly(module, target)
    assert "cvtps2dq" in text and "maxps" in text and "minps" in text
    assert not any(slow in text for slow in ("roundps", "rndscale", "cmpltps", "cmpleps", "cmpunordps", "blendv"))
