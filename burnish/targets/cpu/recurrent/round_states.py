"""Round hidden states to 8 bits by their range, as DynamicQuantizeLinear does, and back.

    scale = (high - low) / 255, or 1      zero = rint(-low / scale)
    nearest(h) = (saturate(rint(h / scale) + zero) - zero) * scale

low and high are the extremes of all states and 0. Each step is rounded by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import ir

from burnish.targets.cpu.builder import KernelBuilder, element_of, lanes_of, type_suffix
from burnish.targets.cpu.expressions.real import Real

STEPS = 255.0


@dataclass(frozen=True)
class Codes:
    """scale, zero: vectors with the same number in all lanes."""

    b: KernelBuilder
    scale: Real
    zero: Real

    @classmethod
    def of_range(cls, b: KernelBuilder, low: ir.Value, high: ir.Value) -> Codes:
        """low, high: of each lane, at most and at least 0."""
        lowest, highest = _in_all_lanes(b, "fmin", low), _in_all_lanes(b, "fmax", high)
        width = highest - lowest
        scale = width.pick(width == 0.0, 1.0, width / STEPS)
        return cls(b, scale, _saturated((-lowest / scale).intrinsic("roundeven")))

    def nearest(self, states: ir.Value) -> ir.Value:
        """What the codes nearest to the states stand for."""
        codes = _saturated((Real(self.b, states) / self.scale).intrinsic("roundeven") + self.zero)
        return ((codes - self.zero) * self.scale).value


def _saturated(codes: Real) -> Real:
    return codes.at_most(STEPS).at_least(0.0)


def _in_all_lanes(b: KernelBuilder, kind: str, lanes: ir.Value) -> Real:
    name = f"llvm.vector.reduce.{kind}.{type_suffix(lanes.type)}"
    return Real(b, b.splat(b.call(name, element_of(lanes), [lanes]), lanes_of(lanes)))
