"""Products and sums in one normal form, however an exporter wrote them.

    product_of(y):  y = scale * x1**p1 * x2**p2 ...     through Mul, Div, Neg, Reciprocal, Sqrt, Pow and numbers
    sum_of(y):      y = constant + t1 - t2 ...          through Add, Sub and numbers

So (x * 0.5) * g, x * (g / 2) and 0.5 * (x * g) are one product: scale 0.5, x and g to the power 1.
The search continues only through values with a single user. Other values stay a factor or a term.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import ml_dtypes
import numpy as np
import onnx_ir as ir

from burnish.passes.rewrite.constants import constant_number
from burnish.passes.rewrite.rule import Match

FLOATS = frozenset({ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16})


@dataclass(frozen=True)
class Product:
    """scale * product of value**power; `nodes` with the last one first; `number_rank`: the highest rank of a number."""

    scale: float
    powers: dict[ir.Value, float]
    nodes: tuple[ir.Node, ...]
    number_rank: int

    def only(self, power: float = 1.0) -> ir.Value | None:
        """x if this is scale * x**power, otherwise None."""
        if len(self.powers) != 1:
            return None
        ((value, found),) = self.powers.items()
        return value if found == power else None


@dataclass(frozen=True)
class Sum:
    """constant + sum of sign * value; `nodes` with the last one first; `number_rank`: the highest rank of a number."""

    constant: float
    terms: tuple[tuple[ir.Value, int], ...]
    nodes: tuple[ir.Node, ...]
    number_rank: int

    def only(self) -> ir.Value | None:
        """t if this is constant + t, otherwise None."""
        return self.terms[0][0] if len(self.terms) == 1 and self.terms[0][1] == 1 else None


def product_of(value: ir.Value) -> Product:
    """Read a value as a product. If it is not one: the value itself to the power 1."""
    scale, number_rank = 1.0, 0
    powers: dict[ir.Value, float] = {}
    nodes: list[ir.Node] = []
    stack = [(value, 1.0)]
    while stack:
        current, power = stack.pop()
        number = constant_number(current) if current is not value else None
        if number is not None and number != 0 and not isinstance(number, bool):
            scale *= float(number) ** power
            number_rank = max(number_rank, rank_of(current) or 0)
            continue
        node = _transparent(current, value)
        factors = _factors(node) if node is not None else None
        if node is None or factors is None:
            powers[current] = powers.get(current, 0.0) + power
            continue
        nodes.append(node)
        scale *= -1.0 if node.op_type == "Neg" else 1.0
        if node.op_type in ("Sqrt", "Pow"):  # (a * b) ** p is not split: sqrt(x * x) is not x
            number_rank = max(number_rank, *(rank_of(i) or 0 for i in node.inputs[1:] if i is not None), 0)
            powers[factors[0][0]] = powers.get(factors[0][0], 0.0) + factors[0][1] * power
        else:
            stack.extend((v, p * power) for v, p in reversed(factors))
    return Product(scale, powers, tuple(nodes), number_rank)


def sum_of(value: ir.Value) -> Sum:
    """Read a value as a sum. If it is not one: the value itself as the only term."""
    constant, number_rank = 0.0, 0
    terms: list[tuple[ir.Value, int]] = []
    nodes: list[ir.Node] = []
    stack = [(value, 1)]
    while stack:
        current, sign = stack.pop()
        number = constant_number(current) if current is not value else None
        if number is not None and not isinstance(number, bool):
            constant += sign * float(number)
            number_rank = max(number_rank, rank_of(current) or 0)
            continue
        node = _transparent(current, value)
        if node is None or node.op_type not in ("Add", "Sub"):
            terms.append((current, sign))
            continue
        nodes.append(node)
        left, right = _two_inputs(node)
        stack += [(right, -sign if node.op_type == "Sub" else sign), (left, sign)]
    return Sum(constant, tuple(terms), tuple(nodes), number_rank)


def is_close(found: float, wanted: float, dtype: ir.DataType | None) -> bool:
    """Equal but for the rounding of a few constants to `dtype` (4 ulp)."""
    numpy = (dtype or ir.DataType.FLOAT).numpy()
    return abs(found - wanted) <= 4 * float(ml_dtypes.finfo(numpy).eps) * abs(wanted)


def fits_attribute(number: float, dtype: ir.DataType | None) -> bool:
    """Can a number be a float attribute? ONNX's are f32: a factor of an f64 tensor must not be rounded to f32."""
    return dtype != ir.DataType.DOUBLE or float(np.float32(number)) == number


def rank_of(value: ir.Value) -> int | None:
    return None if value.shape is None else len(value.shape)


def keeps_rank(value: ir.Value, *parts: Product | Sum) -> bool:
    """No number in the parts has a higher rank than the value, so that broadcasting leaves the value's shape alone."""
    highest = max(part.number_rank for part in parts)
    rank = rank_of(value)
    return highest == 0 or (rank is not None and rank >= highest)


def is_shared(value: ir.Value) -> bool:
    """More than one use, or an output of the graph."""
    return len(value.uses()) != 1 or value.is_graph_output()


def matched(root: ir.Node, nodes: Iterable[ir.Node], **names: object) -> Match:
    """A match of `nodes`, given in any order with users before their inputs. `root` is last in the match."""
    inner = [node for node in dict.fromkeys(nodes) if node is not root]
    return Match(root, (*reversed(inner), root), dict(names))


def _transparent(value: ir.Value, root: ir.Value) -> ir.Node | None:
    """The node to look through: in the root's graph, float, and its result is used once (or it is the root)."""
    node, last = value.producer(), root.producer()
    if node is None or last is None or node.graph is not last.graph or value.dtype not in FLOATS or node.domain:
        return None
    return node if value is root or not is_shared(value) else None


def _factors(node: ir.Node) -> list[tuple[ir.Value, float]] | None:
    if node.op_type in ("Mul", "Div"):
        left, right = _two_inputs(node)
        return [(left, 1.0), (right, 1.0 if node.op_type == "Mul" else -1.0)]
    only = node.inputs[0] if node.inputs else None
    if only is None:
        return None
    if node.op_type == "Pow":
        exponent = constant_number(node.inputs[1])
        return None if exponent is None else [(only, float(exponent))]
    power = {"Neg": 1.0, "Reciprocal": -1.0, "Sqrt": 0.5}.get(node.op_type)
    return None if power is None else [(only, power)]


def _two_inputs(node: ir.Node) -> tuple[ir.Value, ir.Value]:
    left, right = node.inputs
    assert left is not None and right is not None, f"{node.name}: an input is missing"
    return left, right
