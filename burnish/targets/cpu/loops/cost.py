"""The cost of a loops kernel with one of its axes in the lanes: cycles from a table, at 3 GHz.

    contiguous load or store    half a cycle a vector        gather, scatter    a cycle a lane (twice that below AVX2)
    arithmetic                  half a cycle a vector        exp, tanh ...      the length of their polynomials
    every unit of outer axes    a few cycles to count        every scalar iteration one more

The absolute numbers only decide whether a second thread is worth it. The model mainly compares axes of one kernel.
"""

from __future__ import annotations

from collections.abc import Mapping

from burnish.dims import product
from burnish.kernels.facts import Address, Facts
from burnish.kernels.task import Loops
from burnish.kernels.usual_size import usual_size
from burnish.ops.language.expr import COSTLY, Axis, Expr, walk
from burnish.target import Target

_UNIT_CYCLES, _SHUFFLED = 8.0, 3.0
_HEAVY = {
    "exp": 24, "log": 32, "tanh": 40, "erf": 60, "sigmoid": 40, "gelu": 30, "gelu_tanh": 47, "pow": 120, "div": 10,
    "sqrt": 12, "reciprocal": 10, "floordiv": 24, "mod": 24, "fmod": 24,
}  # fmt: skip
_LONG = 80  # every other costly function
_FREE = frozenset(("const", "axis", "dim", "acc", "cast"))


class Cost:
    """Costs of one (prepared) kernel on one target."""

    def __init__(self, kernel: Loops, target: Target, sizes: Mapping[str, int]) -> None:
        self.kernel, self.sizes, self.facts = kernel, sizes, Facts(kernel.slots)
        self.lanes = target.vector_bytes // 4
        self.lane_cycles = 1.0 if self.lanes > 4 else 2.0

    def nanoseconds(self, vector: Axis | None, width: int, interleaves: bool = False) -> float:
        """On one thread. interleaves: vectors are stored after shuffles, although lanes are apart in memory."""
        points = self._iterations(frozenset(self.kernel.domain), vector, width)
        outer = frozenset(a for a in self.kernel.domain if a != vector)
        cycles = _UNIT_CYCLES * self._iterations(outer, None, 1)
        if width == 1:
            cycles += points
        for store in self.kernel.stores:
            address = self.facts.address(store.slot, store.index)
            cycles += points * (_SHUFFLED if interleaves else self._access(address, vector, width))
        for root in dict.fromkeys(s.value for s in self.kernel.stores):
            cycles += self._expression(root, vector, width)
        return cycles / 3.0

    def _expression(self, root: Expr, vector: Axis | None, width: int) -> float:
        total = 0.0
        inside: dict[Expr, frozenset[Axis]] = {}  # the axes of the reductions around a node
        lanes_of: dict[Axis, int] = {}
        for node in reversed(walk(root)):  # users before arguments
            around = inside.get(node, frozenset())
            over = self.facts.free(node) & (frozenset(self.kernel.domain) | around)
            if node.op == "reduce":
                axes = node.attr[1]
                around |= frozenset(axes)
                over |= frozenset(axes)
                if vector not in self.facts.free(node):
                    lanes_of[axes[-1]] = self._lanes_along(node, axes[-1])
            for a in node.args:
                inside[a] = inside.get(a, frozenset()) | around
            own = next((a for a in lanes_of if a in over), None) if vector not in over else vector
            lanes = width if own == vector else lanes_of.get(own, 1) if own is not None else 1
            total += self._iterations(over, own, lanes) * self._node(node, own, lanes)
        return total

    def _node(self, node: Expr, vector: Axis | None, lanes: int) -> float:
        if node.op in _FREE:
            return 0.0
        if node.op == "load":
            return self._access(self.facts.address(node.attr, node.args), vector, lanes)
        if node.op in COSTLY and node.op not in _HEAVY:
            return float(_LONG)
        return 0.5 * _HEAVY.get(node.op, 1)

    def _access(self, address: Address, vector: Axis | None, lanes: int) -> float:
        if vector is None or lanes == 1:
            return 0.5
        step = address.form.coefficients.get(vector, 0)
        varies = any(vector in self.facts.free(atom) for atom, _ in address.atoms)
        return self.lane_cycles * lanes if varies or step not in (0, 1) else 0.5

    def _iterations(self, axes: frozenset[Axis], vector: Axis | None, lanes: int) -> float:
        total = usual_size(product(a.extent for a in axes if a != vector), self.sizes)
        return float(total * -(-usual_size(vector.extent, self.sizes) // lanes) if vector in axes and vector else total)

    def _lanes_along(self, node: Expr, last: Axis) -> int:
        """Will the reduction itself be vectorised?"""
        steps = [self.facts.address(e.attr, e.args).form.coefficients.get(last, 0) for e in self.facts.loads(node)]
        return self.lanes if steps and sum(s == 1 for s in steps) >= sum(s not in (0, 1) for s in steps) else 1
