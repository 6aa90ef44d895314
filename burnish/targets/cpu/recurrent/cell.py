"""The arithmetic of one step of an LSTM, GRU or RNN, on vectors of hidden units.

    LSTM   i, o, f = f(sums + P * c)   c' = f * c + i * g(sum_c)   h' = o * h(c')      gates in the order i o f c
    GRU    z, r = f(sums)   h~ = g(x W + r * (h R + b)) or g(x W + (r * h) R + b)   h' = (1 - z) * h~ + z * h
    RNN    h' = f(sum)

Pre-activations are clipped to [-clip, clip] where a clip is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from burnish.kernels.task import RecurrentTask
from burnish.targets.cpu.builder import KernelBuilder
from burnish.targets.cpu.expressions.real import Real
from burnish.targets.cpu.recurrent.activations import activations
from burnish.targets.cpu.recurrent.layout import Layout
from burnish.targets.cpu.recurrent.memory import Operands

_FUNCTIONS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
_PEEPHOLES = {0: 0, 1: 1, 2: 2}  # gate i, o, f -> its part of P


@dataclass
class Gates:
    """The inputs of one block and row. sums: x W + h R + biases; projected: x W + biases alone."""

    sums: dict[int, ir.Value]
    projected: dict[int, ir.Value]


class Cell:
    """Emits steps of one direction."""

    def __init__(
        self, b: KernelBuilder, kernel: RecurrentTask, shape: Layout, direction: int, operands: Operands
    ) -> None:
        self.b, self.kernel, self.shape, self.direction, self.operands = b, kernel, shape, direction, operands
        self.attributes: dict[str, Any] = dict(kernel.attributes)
        usual = _FUNCTIONS[kernel.kind]
        names = tuple(self.attributes.get("activations") or usual * shape.directions)
        alphas, betas = (tuple(self.attributes.get(f"activation_{n}") or ()) for n in ("alpha", "beta"))
        every = activations(names, alphas, betas)
        self.functions = every[direction * len(usual) : (direction + 1) * len(usual)]
        self.clip = float(self.attributes.get("clip") or 0.0)
        self.resets_product = bool(self.attributes.get("linear_before_reset"))
        self.couples = bool(self.attributes.get("input_forget"))

    @property
    def needs_reset_first(self) -> bool:
        """Must every r * h be known before any candidate?"""
        return self.kernel.kind == "GRU" and not self.resets_product

    def input_bias(self, block: ir.Value) -> list[ir.Value]:
        """The value that a projection starts from: Wb, plus Rb where the two simply add up."""
        found = []
        for g in range(self.shape.gates):
            value = self._bias(g, block)
            if not self._is_apart(g):
                value = self.b.ir.fadd(value, self._bias(self.shape.gates + g, block))
            found.append(value)
        return found

    def start(self, gate: int, projected: ir.Value, block: ir.Value) -> ir.Value:
        """The value to which the product with the state is added."""
        return self._bias(self.shape.gates + gate, block) if self._is_apart(gate) else projected

    def update_and_reset(self, gates: Gates) -> tuple[ir.Value, ir.Value]:
        """A GRU's z and r."""
        return self._activate(0, gates.sums[0]).value, self._activate(0, gates.sums[1]).value

    def finish(self, gates: Gates, h: ir.Value, c: ir.Value, block: ir.Value) -> tuple[ir.Value, ir.Value]:
        """The new h and c."""
        if self.kernel.kind == "LSTM":
            return self._lstm(gates, c, block)
        if self.kernel.kind == "RNN":
            return self._activate(0, gates.sums[0]).value, c
        if self.needs_reset_first:
            update, candidate = gates.sums[0], gates.sums[2]
        else:
            update, reset = self.update_and_reset(gates)
            candidate = self.b.multiply_add(reset, gates.sums[2], gates.projected[2])
        new = self._activate(1, candidate)
        z = Real(self.b, update)
        return ((1.0 - z) * new + z * Real(self.b, h)).value, c

    def _lstm(self, gates: Gates, c: ir.Value, block: ir.Value) -> tuple[ir.Value, ir.Value]:
        before = Real(self.b, c)
        enter = self._gate(gates, 0, before, block)
        forget = 1.0 - enter if self.couples else self._gate(gates, 2, before, block)
        after = forget * before + enter * self._activate(1, gates.sums[3])
        leave = self._gate(gates, 1, after, block)
        return (leave * self.functions[2].apply(after)).value, after.value

    def _gate(self, gates: Gates, number: int, cell: Real, block: ir.Value) -> Real:
        """f(sum + P * cell)"""
        total = gates.sums[number]
        if self.operands.has("peepholes"):
            shift = _PEEPHOLES[number] * self.shape.hidden
            weight = self.operands.row("peepholes", [self.b.i64(self.direction)], block, shift)
            total = self.b.multiply_add(weight, cell.value, total)
        return self._activate(0, total)

    def _activate(self, function: int, value: ir.Value) -> Real:
        x = Real(self.b, value)
        if self.clip > 0.0:
            x = x.at_most(self.clip).at_least(-self.clip)
        return self.functions[function].apply(x)

    def _is_apart(self, gate: int) -> bool:
        """A GRU's candidate, if the product with the state is reset (and not the state itself)."""
        return self.kernel.kind == "GRU" and self.resets_product and gate == 2

    def _bias(self, part: int, block: ir.Value) -> ir.Value:
        if not self.operands.has("b"):
            real = ir.FloatType() if self.shape.accumulator.size_bytes == 4 else ir.DoubleType()
            return ir.Constant(ir.VectorType(real, self.shape.width), None)
        return self.operands.row("b", [self.b.i64(self.direction)], block, part * self.shape.hidden)
