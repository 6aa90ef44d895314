"""Write formulas that have several forms in one form, where the answer stays bit-equal.

    c + x, c * x ...   ->  x + c, x * c          the constant on the right
    x - c              ->  x + (-c)              floats and signed integers
    x / c              ->  x * (1 / c)           c a power of two
    x ** 2, 1, -1, 1/2 ->  x * x, x, 1 / x, sqrt(x)
    1 / x              ->  Reciprocal(x)
    Sum(a, b, c)       ->  Add(Add(a, b), c)     Max, Min likewise
    Attention(.. mask) ->  Attention(.. Cast(mask))    a mask of integers or f64 becomes one of the queries' type

x ** (1/2) and sqrt(x) differ only at -inf.
"""

from __future__ import annotations

from collections.abc import Sequence

import ml_dtypes
import numpy as np
import onnx_ir as ir

from burnish.passes.rewrite.constants import Array, constant_number, has_same_shape, is_constant
from burnish.passes.rewrite.pattern import COMMUTATIVE, PatternBuilder
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

ADDED_AS_THEY_ARE = {(ir.DataType.FLOAT, half) for half in (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)}


class ConstantToTheRight(Rule):
    op_types = tuple(sorted(COMMUTATIVE))

    def check(self, match: Match) -> Skip | None:
        if len(match.root.inputs) != 2:
            return Skip(f"it has {len(match.root.inputs)} inputs")
        left, right = match.root.inputs
        if not is_constant(left):
            return Skip(f"{left.name if left else ''} is not a constant")
        return Skip("both operands are constants") if is_constant(right) else None

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        left, right = match.root.inputs
        result: ir.Value = op.node(match.root.op_type, right, left)
        return result


class SubtractToAdd(Rule):
    def pattern(self, op: PatternBuilder, x: object) -> object:
        return op.Sub(x, op.constant("c"))

    def check(self, match: Match) -> Array | Skip:
        array = match.array("c")
        if array is None or not (_is_float(array) or array.dtype.kind == "i"):
            return Skip(f"{match.c.name} is unsigned, its negative does not exist")
        if array.dtype.kind == "i" and (array == np.iinfo(array.dtype).min).any():
            return Skip(f"{match.c.name} holds the smallest integer, its negative does not exist")
        return -array

    def rewrite(self, op: Builder, match: Match, found: Array) -> ir.Value:
        result: ir.Value = op.Add(match.x, op.constant(found, f"{match.c.name}.negative"))
        return result


class DivideToMultiply(Rule):
    def pattern(self, op: PatternBuilder, x: object) -> object:
        return op.Div(x, op.constant("c"))

    def check(self, match: Match) -> Array | Skip:
        array = match.array("c")
        if array is None or not _is_float(array):
            return Skip(f"{match.c.name} is not floating point")
        mantissa, _ = np.frexp(array.astype(np.float64))
        inverse = (1 / array.astype(np.float64)).astype(array.dtype) if bool((array != 0).all()) else array
        exact = np.abs(mantissa) == 0.5
        limits = ml_dtypes.finfo(array.dtype)
        normal = np.abs(inverse.astype(np.float64)) >= float(limits.smallest_normal)
        if not (exact & normal & np.isfinite(inverse.astype(np.float64))).all():
            return Skip(f"{match.c.name} is not a power of two, its inverse would be rounded")
        return inverse

    def rewrite(self, op: Builder, match: Match, found: Array) -> ir.Value:
        result: ir.Value = op.Mul(match.x, op.constant(found, f"{match.c.name}.inverse"))
        return result


class InverseToReciprocal(Rule):
    """1 / x, if the 1 does not broadcast x."""

    def pattern(self, op: PatternBuilder, x: object) -> object:
        return op.Div(1.0, x)

    def check(self, match: Match) -> Skip | None:
        if match.x.dtype is None or not match.x.dtype.is_floating_point():
            return Skip(f"{match.x.name} is not floating point")
        return None if has_same_shape(match.x, match.root.outputs[0]) else Skip("the one broadcasts the divisor")

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        result: ir.Value = op.Reciprocal(match.x)
        return result


class SimplePower(Rule):
    def pattern(self, op: PatternBuilder, x: object) -> object:
        return op.Pow(x, op.constant("c"))

    def check(self, match: Match) -> float | Skip:
        exponent = constant_number(match.c)
        if exponent not in (2, -1, 0.5):
            return Skip(f"the exponent {match.c.name} is not 2, -1 or 1/2")
        if match.x.dtype is None or not (match.x.dtype.is_floating_point() or exponent == 2):
            return Skip(f"{match.x.name} is not floating point")
        if not has_same_shape(match.x, match.root.outputs[0]):
            return Skip("the exponent broadcasts the base")
        return float(exponent)

    def rewrite(self, op: Builder, match: Match, found: float) -> ir.Value:
        result: ir.Value
        if found == 2:
            result = op.Mul(match.x, match.x)
            return result
        result = op.Reciprocal(match.x) if found == -1 else op.Sqrt(match.x)
        return result


class VariadicToBinary(Rule):
    op_types = ("Sum", "Max", "Min")

    def check(self, match: Match) -> Skip | None:
        count = len(match.root.inputs)
        wanted = 2 if match.root.op_type == "Sum" else 3
        return None if count >= wanted else Skip(f"it has {count} inputs")

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        op_type = "Add" if match.root.op_type == "Sum" else match.root.op_type
        result = match.root.inputs[0]
        assert result is not None
        for operand in match.root.inputs[1:]:
            result = op.node(op_type, result, operand)
        return result


class CastMask(Rule):
    """A mask that is added to scores must have their type. f32 may stay beside 16-bit types, whose scores are f32."""

    op_types = ("Attention",)

    def check(self, match: Match) -> Skip | None:
        query, mask = match.root.inputs[0], match.root.inputs[3] if len(match.root.inputs) > 3 else None
        if query is None or mask is None or mask.dtype is None or query.dtype is None:
            return Skip("it has no mask of a known type")
        if mask.dtype in (ir.DataType.BOOL, query.dtype) or (mask.dtype, query.dtype) in ADDED_AS_THEY_ARE:
            return Skip(f"the mask {mask.name} is added as it is")
        return None

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value | Sequence[ir.Value]:
        query, mask = match.root.inputs[0], match.root.inputs[3]
        assert query is not None and mask is not None and query.dtype is not None
        inputs = [op.Cast(mask, to=query.dtype.value) if v is mask else v for v in match.root.inputs]
        attributes = {k: a.value for k, a in match.root.attributes.items()}
        return op.node("Attention", *inputs, _outputs=len(match.root.outputs), **attributes)  # type: ignore[no-any-return]


RULES = (
    ConstantToTheRight(),
    SubtractToAdd(),
    DivideToMultiply(),
    InverseToReciprocal(),
    SimplePower(),
    VariadicToBinary(),
    CastMask(),
)


def _is_float(array: Array) -> bool:
    return array.dtype.kind == "f" or bool(array.dtype == ml_dtypes.bfloat16)
