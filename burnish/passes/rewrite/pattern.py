"""Patterns that a rule looks for in the graph, and the search for them.

A pattern is a small tree (or DAG) of operators over variables, matched from its last node upwards.
Commutative operators are tried in both orders, with full backtracking. A miss says how far it got and why it failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir

from burnish.passes.rewrite.constants import constant_array, is_constant

COMMUTATIVE = frozenset({"Add", "Mul", "Max", "Min", "And", "Or", "Xor", "Equal"})


@dataclass(frozen=True, eq=False)
class Variable:
    """Any value; the same name twice means the same value. `constant`: must be known at build time."""

    name: str
    constant: bool = False
    optional: bool = False


@dataclass(frozen=True, eq=False)
class Number:
    """A constant of one element, equal to `value` up to `tolerance` (relative; default 4 ulp of its dtype)."""

    value: float
    tolerance: float | None = None


@dataclass(frozen=True, eq=False)
class Operator:
    """A node: one of several op types, its inputs and the attributes it must have (a value, or a predicate on it)."""

    op_types: tuple[str, ...]
    domain: str
    inputs: tuple[Pattern | None, ...]
    attributes: dict[str, Any]
    name: str | None
    allow_more_inputs: bool


@dataclass(frozen=True, eq=False)
class Output:
    """Output `index` of a node."""

    node: Operator
    index: int = 0


@dataclass(frozen=True, eq=False)
class AnyOf:
    """The first choice that matches."""

    choices: tuple[Pattern, ...]


Pattern: TypeAlias = Variable | Number | Output | AnyOf


@dataclass(frozen=True)
class Bindings:
    """The values and nodes that a match has found so far."""

    values: dict[str, ir.Value | None] = field(default_factory=dict)
    nodes: dict[Operator, ir.Node] = field(default_factory=dict)

    def with_value(self, name: str, value: ir.Value | None) -> Bindings:
        return Bindings({**self.values, name: value}, self.nodes)

    def with_node(self, pattern: Operator, node: ir.Node) -> Bindings:
        return Bindings(self.values, {**self.nodes, pattern: node})


class Misses:
    """Keeps the reason why the search that got furthest failed."""

    def __init__(self) -> None:
        self.depth, self.reason = -1, "no match"

    def add(self, bound: Bindings, reason: Callable[[], str]) -> None:
        if len(bound.nodes) > self.depth:
            self.depth, self.reason = len(bound.nodes), reason()


class PatternBuilder:
    """`op` inside `Rule.pattern`: op.Conv(x, W), op.Mul(x, 0.5), op.any_of(a, b), op.constant("W") ...

    op.X(inputs..., attributes..., _name="conv", _outputs=2, _domain="ai.burnish", _more_inputs=True)
    A number stands for a constant of one element, None for an input that is left out.
    `_name` makes the node `match.conv`.
    op.one_of(("Relu", "Clip"), x) matches any of several operators.
    """

    def __getattr__(self, op_type: str) -> Callable[..., Any]:
        return lambda *inputs, **options: self.one_of((op_type,), *inputs, **options)

    def one_of(
        self,
        op_types: Sequence[str],
        *inputs: Pattern | float | None,
        _name: str | None = None,
        _domain: str = "",
        _outputs: int = 1,
        _more_inputs: bool = False,
        **attributes: Any,
    ) -> Any:
        """A node of any of these types; one Output, or a tuple of them if `_outputs` > 1."""
        wanted = tuple(Number(float(i)) if isinstance(i, int | float) else i for i in inputs)
        node = Operator(tuple(op_types), _domain, wanted, attributes, _name, _more_inputs)
        return Output(node) if _outputs == 1 else tuple(Output(node, i) for i in range(_outputs))

    def any_of(self, *choices: Pattern) -> AnyOf:
        return AnyOf(choices)

    def constant(self, name: str) -> Variable:
        """A value that must be known at build time."""
        return Variable(name, constant=True)

    def optional(self, name: str) -> Variable:
        """A value, or an input that is left out (bound to None)."""
        return Variable(name, optional=True)

    def number(self, value: float, tolerance: float | None = None) -> Number:
        return Number(value, tolerance)


def solve(pattern: Pattern | None, value: ir.Value | None, bound: Bindings, misses: Misses) -> Iterator[Bindings]:
    """Every way in which `value` matches, given the present bindings."""
    if pattern is None:
        if value is None:
            yield bound
        else:
            misses.add(bound, lambda: f"{value.name} is given, the pattern leaves it out")
    elif isinstance(pattern, Variable):
        yield from _solve_variable(pattern, value, bound, misses)
    elif value is None:
        misses.add(bound, lambda: "an input is left out")
    elif isinstance(pattern, Number):
        if _is_number(value, pattern):
            yield bound
        else:
            misses.add(bound, lambda: f"{value.name} is not the constant {pattern.value:g}")
    elif isinstance(pattern, AnyOf):
        for choice in pattern.choices:
            yield from solve(choice, value, bound, misses)
    else:
        yield from _solve_output(pattern, value, bound, misses)


def _solve_variable(pattern: Variable, value: ir.Value | None, bound: Bindings, misses: Misses) -> Iterator[Bindings]:
    if pattern.name in bound.values:
        if bound.values[pattern.name] is value:
            yield bound
        else:
            misses.add(bound, lambda: f"{pattern.name} is two different values")
    elif value is None and not pattern.optional:
        misses.add(bound, lambda: f"{pattern.name} is left out")
    elif pattern.constant and not is_constant(value):
        misses.add(bound, lambda: f"{pattern.name} ({value.name if value else ''}) is not a constant")
    else:
        yield bound.with_value(pattern.name, value)


def _solve_output(pattern: Output, value: ir.Value, bound: Bindings, misses: Misses) -> Iterator[Bindings]:
    node = value.producer()
    wanted = " or ".join(pattern.node.op_types)
    if node is None:
        misses.add(bound, lambda: f"{value.name} is not computed by {wanted}")
    elif value.index() != pattern.index:
        misses.add(bound, lambda: f"{value.name} is output {value.index()} of {node.name}, not {pattern.index}")
    else:
        yield from solve_node(pattern.node, node, bound, misses)


def solve_node(pattern: Operator, node: ir.Node, bound: Bindings, misses: Misses) -> Iterator[Bindings]:
    """Every way in which `node` matches."""
    if pattern in bound.nodes:
        if bound.nodes[pattern] is node:
            yield bound
        else:
            misses.add(bound, lambda: f"{node.name} is not {bound.nodes[pattern].name}")
        return
    if node.op_type not in pattern.op_types or node.domain != pattern.domain:
        misses.add(bound, lambda: f"{node.name} is {node.op_type}, not {' or '.join(pattern.op_types)}")
        return
    for name, wanted in pattern.attributes.items():
        if not _attribute_matches(node, name, wanted):
            misses.add(bound, lambda name=name: f"{node.name} has another {name}")  # type: ignore[misc]
            return
    inputs = list(node.inputs)
    while inputs and inputs[-1] is None and len(inputs) > len(pattern.inputs):
        inputs.pop()
    if len(inputs) > len(pattern.inputs) and not pattern.allow_more_inputs:
        misses.add(bound, lambda: f"{node.name} has {len(inputs)} inputs, the pattern {len(pattern.inputs)}")
        return
    inputs = (inputs + [None] * len(pattern.inputs))[: len(pattern.inputs)]
    bound = bound.with_node(pattern, node)
    yield from _solve_all(pattern.inputs, inputs, bound, misses)
    if len(inputs) == 2 and node.op_type in COMMUTATIVE and node.domain == "":
        yield from _solve_all(pattern.inputs, inputs[::-1], bound, misses)


def _solve_all(
    patterns: Sequence[Pattern | None], values: Sequence[ir.Value | None], bound: Bindings, misses: Misses
) -> Iterator[Bindings]:
    if not patterns:
        yield bound
        return
    for first in solve(patterns[0], values[0], bound, misses):
        yield from _solve_all(patterns[1:], values[1:], first, misses)


def _is_number(value: ir.Value, pattern: Number) -> bool:
    if not is_constant(value) or (value.shape is not None and any(d != 1 for d in value.shape)):
        return False
    array = constant_array(value)
    if array is None or array.size != 1 or array.dtype == object:
        return False
    found = float(array.reshape(()))
    tolerance = pattern.tolerance
    if tolerance is None:
        tolerance = 0.0 if array.dtype.kind in "biu" else 4 * epsilon(array.dtype)
    return abs(found - pattern.value) <= tolerance * abs(pattern.value)


def epsilon(dtype: np.dtype[Any]) -> float:
    """The distance from 1 to the next number of a float dtype (ml_dtypes' types included)."""
    return float(ml_dtypes.finfo(dtype).eps)


def _attribute_matches(node: ir.Node, name: str, wanted: Any) -> bool:
    attribute = node.attributes.get(name)
    found = attribute.value if attribute is not None else _default_attribute(node, name)
    if callable(wanted):
        return bool(wanted(found))
    if isinstance(found, list | tuple):
        return list(found) == list(wanted)
    return bool(found == wanted)


def _default_attribute(node: ir.Node, name: str) -> Any:
    if not onnx.defs.has(node.op_type, node.domain):
        return None
    declared = onnx.defs.get_schema(node.op_type, node.domain).attributes.get(name)
    if declared is None or declared.default_value.type == onnx.AttributeProto.UNDEFINED:
        return None
    default = onnx.helper.get_attribute_value(declared.default_value)
    return default.decode() if isinstance(default, bytes) else default
