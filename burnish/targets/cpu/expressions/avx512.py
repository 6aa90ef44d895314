"""Instructions on floats that only AVX-512 has, on f32 values of any number of lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llvmlite import ir

from burnish.targets.cpu.builder import I8, I16, I32, KernelBuilder, lanes_of
from burnish.targets.cpu.expressions.real import Real

_REGISTERS = (4, 8, 16)  # lanes of a register
_CURRENT_ROUNDING = 4
_DOWN_WITHOUT_EXCEPTION = 0b1001
_LOWER_MAGNITUDE_AND_POSITIVE = 0b1010


def fraction(x: Real) -> Real:
    """x - floor(x), rounded down, in [0, 1); 0 for infinities"""
    return _by_register(x, [], lambda b, x: _masked(b, "reduce", x, [x, _number(_DOWN_WITHOUT_EXCEPTION)], x))


def times_power_of_two(x: Real, exponent: Real) -> Real:
    """x * 2**floor(exponent), rounded once; infinite exponents give infinity and 0"""
    return _by_register(x, [exponent], lambda b, x, y: _masked(b, "scalef", x, [x, y], x))


def magnitude_up_to(x: Real, limit: float) -> Real:
    """min(|x|, limit), which is positive; `limit` for NaN"""

    def code(b: KernelBuilder, x: ir.Value, most: ir.Value) -> ir.Value:
        return _masked(b, "range", x, [x, most, _number(_LOWER_MAGNITUDE_AND_POSITIVE)], x)

    return _by_register(x, [x.of(limit)], code)


def _masked(b: KernelBuilder, name: str, like: ir.Value, arguments: Sequence[ir.Value], passed: ir.Value) -> ir.Value:
    """An instruction on all lanes of a register; intrinsics of this kind have a mask, those of 512 bits a rounding."""
    lanes = lanes_of(like)
    mask = ir.Constant(I16, -1) if lanes == 16 else ir.Constant(I8, -1)
    rounding = [_number(_CURRENT_ROUNDING)] if lanes == 16 else []
    return b.call(f"llvm.x86.avx512.mask.{name}.ps.{lanes * 32}", like.type, [*arguments, passed, mask, *rounding])


def _number(value: int) -> ir.Constant:
    return ir.Constant(I32, value)


def _by_register(x: Real, others: Sequence[Real], code: Callable[..., ir.Value]) -> Real:
    """Write the code for each register that the values take; a shorter value is computed in the low lanes of one."""
    values, b, lanes = [x.value, *(o.value for o in others)], x.b, x.lanes
    if lanes in _REGISTERS:
        return Real(b, code(b, *values))
    wide = next((n for n in _REGISTERS if n > lanes), _REGISTERS[-1])
    parts = [code(b, *(_lanes(b, v, at, wide) for v in values)) for at in range(0, lanes, wide)]
    return Real(b, _joined(b, parts, lanes))


def _lanes(b: KernelBuilder, value: ir.Value, first: int, count: int) -> ir.Value:
    """So many lanes of a value from one on; beyond its end, any number."""
    if not isinstance(value.type, ir.VectorType):
        return b.ir.insert_element(ir.Constant(ir.VectorType(value.type, count), ir.Undefined), value, _number(0))
    last = lanes_of(value) - 1
    return _shuffled(b, value, value, [min(first + n, last) for n in range(count)])


def _joined(b: KernelBuilder, parts: Sequence[ir.Value], lanes: int) -> ir.Value:
    """The first lanes of registers side by side."""
    if lanes == 1:
        return b.ir.extract_element(parts[0], _number(0))
    found = parts[0]
    for part in parts[1:]:
        size, more = lanes_of(found), lanes_of(part)
        part = _shuffled(b, part, part, [min(n, more - 1) for n in range(size)]) if more < size else part
        found = _shuffled(b, found, part, [*range(size), *range(size, size + more)])
    return found if lanes_of(found) == lanes else _shuffled(b, found, found, list(range(lanes)))


def _shuffled(b: KernelBuilder, first: ir.Value, second: ir.Value, order: list[int]) -> ir.Value:
    return b.ir.shuffle_vector(first, second, ir.Constant(ir.VectorType(I32, len(order)), order))
