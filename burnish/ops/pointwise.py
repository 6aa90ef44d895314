"""Elementwise operators: arithmetic, comparison, logic, rounding, casts. Operands broadcast; results have their dtype.

Activation functions are in activation.py, quantization in quantize.py.
"""

from __future__ import annotations

from collections.abc import Callable

from burnish.dtypes import DType
from burnish.ops.agreement import scalar
from burnish.ops.broadcasting import broadcast_load, broadcast_shapes
from burnish.ops.language.definition import Compute, NodeView, Tensor
from burnish.ops.language.expr import Expr, binary, cast, const, unary, where
from burnish.ops.registry import Misfit, Undefined, operator

UNARY = {
    "Abs": "abs", "Acos": "acos", "Acosh": "acosh", "Asin": "asin", "Asinh": "asinh", "Atan": "atan",
    "Atanh": "atanh", "BitwiseNot": "bitnot", "Ceil": "ceil", "Cos": "cos", "Cosh": "cosh", "Erf": "erf",
    "Exp": "exp", "Floor": "floor", "IsNaN": "isnan", "Log": "log", "Neg": "neg", "Not": "not",
    "Reciprocal": "reciprocal", "Round": "round", "Sigmoid": "sigmoid", "Sign": "sign", "Sin": "sin",
    "Sinh": "sinh", "Sqrt": "sqrt", "Tan": "tan", "Tanh": "tanh",
}  # fmt: skip
BINARY = {
    "Add": "add", "And": "and", "BitwiseAnd": "bitand", "BitwiseOr": "bitor", "BitwiseXor": "bitxor", "Div": "div",
    "Equal": "eq", "Greater": "gt", "GreaterOrEqual": "ge", "Less": "lt", "LessOrEqual": "le", "Mul": "mul",
    "Or": "or", "Sub": "sub", "Xor": "xor",
}  # fmt: skip
VARIADIC = {"Max": "max", "Min": "min", "Sum": "add"}
EXACT_IN = {  # the types that convert to f16 or bf16 without rounding
    DType.F16: frozenset({DType.F16, DType.BOOL, DType.U8, DType.I8}),
    DType.BF16: frozenset({DType.BF16, DType.BOOL, DType.U8, DType.I8}),
}


def elementwise(function: Callable[..., Expr], dtype: DType, *operands: Tensor) -> Compute:
    """out[i] = function(operands[i]...), operands broadcast."""
    shape = broadcast_shapes(*(t.shape for t in operands))
    return Compute(dtype, shape, lambda i: function(*(broadcast_load(t, i, shape) for t in operands)))


def present(node: NodeView) -> list[Tensor]:
    """The inputs, all of one dtype."""
    tensors = [t for t in node.inputs if t is not None]
    if any(t.dtype is not tensors[0].dtype for t in tensors):
        raise Misfit("element types " + ", ".join(t.dtype.value for t in tensors))
    return tensors


def _define_unary(op_type: str, name: str) -> None:
    @operator(op_type)
    def define(node: NodeView) -> Compute:
        x = node.tensor(0)
        return elementwise(lambda v: unary(name, v), DType.BOOL if name == "isnan" else x.dtype, x)


def _define_binary(op_type: str, name: str) -> None:
    @operator(op_type)
    def define(node: NodeView) -> Compute:
        a, b = present(node)
        is_truth = name in ("eq", "gt", "ge", "lt", "le")
        return elementwise(lambda x, y: binary(name, x, y), DType.BOOL if is_truth else a.dtype, a, b)


def _define_variadic(op_type: str, name: str) -> None:
    @operator(op_type)
    def define(node: NodeView) -> Compute:
        tensors = present(node)
        return elementwise(lambda *v: fold(name, v), tensors[0].dtype, *tensors)


def fold(name: str, values: tuple[Expr, ...]) -> Expr:
    """((v0 op v1) op v2) ..."""
    result = values[0]
    for value in values[1:]:
        result = binary(name, result, value)
    return result


for _op_type, _name in UNARY.items():
    _define_unary(_op_type, _name)
for _op_type, _name in BINARY.items():
    _define_binary(_op_type, _name)
for _op_type, _name in VARIADIC.items():
    _define_variadic(_op_type, _name)


@operator("Mean")
def mean(node: NodeView) -> Compute:
    tensors = present(node)
    return elementwise(lambda *v: fold("add", v) / len(v), tensors[0].dtype, *tensors)


@operator("Mod")
def mod(node: NodeView) -> Compute:
    """The sign follows the divisor; with fmod = 1 the dividend."""
    a, b = present(node)
    name = "fmod" if node.attr("fmod", 0) else "mod"
    return elementwise(lambda x, y: binary(name, x, y), a.dtype, a, b)


@operator("Pow")
def power(node: NodeView) -> Compute:
    """The result has the base's dtype; small constant exponents become products."""
    base, exponent = node.tensor(0), node.tensor(1)
    constant = exponent.elements[0] if exponent.elements and len(set(exponent.elements)) == 1 else None

    def raise_to(x: Expr, y: Expr) -> Expr:
        if constant == 1:
            return x
        if constant == 2:
            return x * x
        if constant == 3:
            return x * x * x
        if constant == 0.5 and x.dtype.is_float:
            return unary("sqrt", x)
        if constant == -1 and x.dtype.is_float:
            return unary("reciprocal", x)
        wide = y.dtype if y.dtype.is_float and not x.dtype.is_float else x.dtype
        return cast(binary("pow", cast(x, wide), cast(y, wide)), x.dtype)

    return elementwise(raise_to, base.dtype, base, exponent)


@operator("BitShift")
def bit_shift(node: NodeView) -> Compute:
    """A shift by the width or more gives 0, or -1 for a right shift of a negative number."""
    a, b = present(node)
    name = "shl" if node.attr("direction") == "LEFT" else "shr"
    last = a.dtype.size_bytes * 8 - 1

    def shift(x: Expr, y: Expr) -> Expr:
        outside = binary("gt", y, last)
        if a.dtype.is_signed:
            outside = binary("or", outside, binary("lt", y, 0))  # as numpy does
        shifted = binary(name, x, where(outside, last, y))
        return shifted if name == "shr" and a.dtype.is_signed else where(outside, 0, shifted)

    return elementwise(shift, a.dtype, a, b)


@operator("Where")
def choose(node: NodeView) -> Compute:
    condition, then, otherwise = (node.tensor(i) for i in range(3))
    if then.dtype is not otherwise.dtype:
        raise Misfit(f"element types {then.dtype.value} and {otherwise.dtype.value}")
    return elementwise(where, then.dtype, condition, then, otherwise)


@operator("IsInf")
def is_infinite(node: NodeView) -> Compute:
    x = node.tensor(0)
    positive, negative = node.attr("detect_positive", 1), node.attr("detect_negative", 1)

    def check(v: Expr) -> Expr:
        if positive and negative:
            return unary("isinf", v)
        if not positive and not negative:
            return const(False, DType.BOOL)
        return binary("and", unary("isinf", v), binary("gt" if positive else "lt", v, 0))

    return elementwise(check, DType.BOOL, x)


@operator("Clip")
def clip(node: NodeView) -> Compute:
    """min(max(x, low), high); a bound may be an input, an attribute (opset 6) or left out."""
    x = node.tensor(0)
    bounds: list[Callable[[], Expr] | None] = []
    for i, name in ((1, "min"), (2, "max")):
        tensor, attribute = node.optional(i), node.attr(name)
        if tensor is not None:
            bounds.append(lambda e=scalar(tensor): e)  # type: ignore[misc]  # noqa: B008
        else:
            bounds.append(None if attribute is None else lambda a=attribute: const(a, x.dtype))  # type: ignore[misc]

    def limit(v: Expr) -> Expr:
        v = v if bounds[0] is None else binary("max", v, bounds[0]())
        return v if bounds[1] is None else binary("min", v, bounds[1]())

    return elementwise(limit, x.dtype, x)


@operator("Cast")
def cast_to(node: NodeView) -> Compute:
    try:
        dtype = DType.from_onnx(node.attr("to"))
    except KeyError:
        raise Undefined(f"Cast to ONNX's element type {node.attr('to')}") from None
    return _cast(node, dtype)


@operator("CastLike")
def cast_like(node: NodeView) -> Compute:
    return _cast(node, node.tensor(1).dtype)


def _cast(node: NodeView, dtype: DType) -> Compute:
    x = node.tensor(0)
    narrow = (DType.F8E4M3, DType.F8E5M2, DType.STRING)
    if x.dtype in narrow or dtype in narrow:
        raise Undefined(f"Cast from {x.dtype.value} to {dtype.value}")
    rounds = dtype in EXACT_IN and x.dtype not in EXACT_IN[dtype] and not node.keeps_excess
    return elementwise(lambda v: cast(_rounded(v, dtype) if rounds else v, dtype), dtype, x)


def _rounded(value: Expr, dtype: DType) -> Expr:
    """The value rounded to the narrow float, in f32: operators fused after a cast must not see more digits."""
    return unary("round_f16" if dtype is DType.F16 else "round_bf16", cast(value, DType.F32))
