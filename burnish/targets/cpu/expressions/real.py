"""`Real`: float register values with Python's operators, so that a polynomial reads like one.

Every Real has f32 or f64 elements, in one lane or many; Python floats and ints on the other side become constants in
all lanes. Comparisons give i1 values. Bits are seen as integers of the same width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llvmlite import ir

from burnish.targets.cpu.builder import (
    F32,
    F64,
    I32,
    I64,
    KernelBuilder,
    element_of,
    lanes_of,
    type_suffix,
    vector_type,
)
from burnish.targets.cpu.expressions.storage import fill


@dataclass(frozen=True, eq=False)
class Real:
    """A float value and the builder that it belongs to."""

    b: KernelBuilder
    value: ir.Value

    @property
    def is_double(self) -> bool:
        return self._element is F64 or isinstance(self._element, ir.DoubleType)

    @property
    def lanes(self) -> int:
        return lanes_of(self.value)

    @property
    def _element(self) -> ir.Type:
        return element_of(self.value)

    def of(self, value: Real | ir.Value | float) -> Real:
        """A constant (in all lanes) or a value of this type, as a Real of the same type."""
        if isinstance(value, Real):
            return value
        if isinstance(value, float | int):
            return Real(self.b, fill(self.value, self._element, float(value)))
        return Real(self.b, value)

    def __add__(self, other: Real | float) -> Real:
        return Real(self.b, self.b.ir.fadd(self.value, self.of(other).value))

    def __radd__(self, other: float) -> Real:
        return self.of(other) + self

    def __sub__(self, other: Real | float) -> Real:
        return Real(self.b, self.b.ir.fsub(self.value, self.of(other).value))

    def __rsub__(self, other: float) -> Real:
        return self.of(other) - self

    def __mul__(self, other: Real | float) -> Real:
        return Real(self.b, self.b.ir.fmul(self.value, self.of(other).value))

    def __rmul__(self, other: float) -> Real:
        return self.of(other) * self

    def __truediv__(self, other: Real | float) -> Real:
        return Real(self.b, self.b.ir.fdiv(self.value, self.of(other).value))

    def __rtruediv__(self, other: float) -> Real:
        return self.of(other) / self

    def __neg__(self) -> Real:
        return Real(self.b, self.b.ir.fneg(self.value))

    def __abs__(self) -> Real:
        return self.intrinsic("fabs")

    def _compare(self, sign: str, other: Real | float) -> ir.Value:
        return self.b.ir.fcmp_ordered(sign, self.value, self.of(other).value)

    def __lt__(self, other: Real | float) -> ir.Value:
        return self._compare("<", other)

    def __le__(self, other: Real | float) -> ir.Value:
        return self._compare("<=", other)

    def __gt__(self, other: Real | float) -> ir.Value:
        return self._compare(">", other)

    def __ge__(self, other: Real | float) -> ir.Value:
        return self._compare(">=", other)

    def __eq__(self, other: Real | float) -> ir.Value:  # type: ignore[override]
        return self._compare("==", other)

    def __ne__(self, other: Real | float) -> ir.Value:  # type: ignore[override]
        return self.b.ir.fcmp_unordered("!=", self.value, self.of(other).value)

    __hash__ = None  # type: ignore[assignment]

    def is_nan(self) -> ir.Value:
        return self.b.ir.fcmp_unordered("uno", self.value, self.value)

    def times_plus(self, factor: Real | float, addend: Real | float) -> Real:
        """self * factor + addend; one rounding where the level has FMA."""
        return Real(self.b, self.b.multiply_add(self.value, self.of(factor).value, self.of(addend).value))

    def polynomial(self, coefficients: Sequence[float]) -> Real:
        """Horner's rule; the highest power's coefficient comes first."""
        result = self.of(coefficients[0])
        for c in coefficients[1:]:
            result = result.times_plus(self, c)
        return result

    def intrinsic(self, name: str, *others: Real) -> Real:
        """llvm.name of this value; only those that are instructions on every level (fabs, sqrt, floor ...)."""
        arguments = [self.value, *(o.value for o in others)]
        return Real(self.b, self.b.call(f"llvm.{name}.{type_suffix(self.value.type)}", self.value.type, arguments))

    def with_sign_of(self, other: Real) -> Real:
        return self.intrinsic("copysign", other)

    def pick(self, condition: ir.Value, then: Real | float, otherwise: Real | float) -> Real:
        """`then` where the condition holds, `otherwise` elsewhere. This value only gives the type."""
        return Real(self.b, self.b.ir.select(condition, self.of(then).value, self.of(otherwise).value))

    def at_most(self, limit: Real | float) -> Real:
        """min(limit, self); NaN stays NaN (limit is not NaN)."""
        return self.pick(self.of(limit) < self, limit, self)

    def at_least(self, limit: Real | float) -> Real:
        """max(limit, self); NaN stays NaN (limit is not NaN)."""
        return self.pick(self.of(limit) > self, limit, self)

    # -- bits and conversions -------------------------------------------------------------------------------------

    @property
    def integer_type(self) -> ir.Type:
        return vector_type(I64 if self.is_double else I32, self.lanes)

    def bits(self) -> ir.Value:
        return self.b.ir.bitcast(self.value, self.integer_type)

    def from_bits(self, bits: ir.Value) -> Real:
        return Real(self.b, self.b.ir.bitcast(bits, self.value.type))

    def integer(self, value: int) -> ir.Constant:
        """An integer constant as wide as the elements, in all lanes."""
        return fill(self.value, I64 if self.is_double else I32, value)

    def power_of_two(self, exponent: ir.Value) -> Real:
        """2 ** exponent for an integer exponent in the normal range."""
        bias, shift = (1023, 52) if self.is_double else (127, 23)
        biased = self.b.ir.add(exponent, self.integer(bias))
        return self.from_bits(self.b.ir.shl(biased, self.integer(shift)))

    def as_double(self) -> Real:
        """The same value in f64."""
        if self.is_double:
            return self
        return Real(self.b, self.b.ir.fpext(self.value, vector_type(F64, self.lanes)))

    def as_single(self) -> Real:
        """Rounded to f32."""
        if not self.is_double:
            return self
        return Real(self.b, self.b.ir.fptrunc(self.value, vector_type(F32, self.lanes)))
