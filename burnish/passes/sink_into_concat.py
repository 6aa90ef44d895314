"""If a constant is added to or multiplied with a Concat, each part gets its own piece of the constant.

    Concat(class token, patches) + positions   ->   Concat(class token + positions[:1], patches + positions[1:])

Constant parts fold. The one other part takes its constant into the kernel that computes it, so nothing is copied.
Exact. Runs after constants are folded.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from burnish.passes.forms.products import is_shared
from burnish.passes.rewrite.constants import Array, constant_array
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip


@dataclass(frozen=True)
class Parts:
    """The Concat, its axis from the back, its parts, and the constant of each."""

    concat: ir.Node
    axis: int
    constants: tuple[Array, ...]
    side: int  # which input of the root the Concat is


class SinkIntoConcat(Rule):
    op_types = ("Add", "Sub", "Mul", "Div")

    def check(self, match: Match) -> Parts | Skip:
        for side in (0, 1):
            x, array = match.root.inputs[side], constant_array(match.root.inputs[1 - side])
            concat = x.producer() if x is not None else None
            if x is None or concat is None or concat.op_type != "Concat" or array is None:
                continue
            return _parts(match.root, concat, x, array, side)
        return Skip("it is no Concat with a constant")

    def rewrite(self, op: Builder, match: Match, found: Parts) -> ir.Value:
        results = []
        for part, array in zip(found.concat.inputs, found.constants, strict=True):
            assert part is not None
            results.append(_apply(op, match.root, part, array, found.side))
        return op.Concat(*results, axis=found.axis)  # type: ignore[no-any-return]


def _parts(root: ir.Node, concat: ir.Node, x: ir.Value, array: Array, side: int) -> Parts | Skip:
    result = root.outputs[0]
    if is_shared(x) or concat.graph is not root.graph:
        return Skip(f"Concat result {x.name} has {len(x.uses())} users or is an output of the graph")
    if x.shape is None or result.shape is None or list(x.shape) != list(result.shape):
        return Skip(f"the constant changes the shape of {x.name}, or the shape is not known")
    axis = concat.attributes["axis"].as_int() % len(x.shape) - len(x.shape)
    sizes = [p.shape[axis] if p is not None and p.shape is not None else None for p in concat.inputs]
    if sum(not _is_repeated(p) for p in concat.inputs) != 1 or len(sizes) < 2:
        return Skip(f"not all parts of {concat.name} but one are constants")
    varies = array.ndim >= -axis and array.shape[axis] != 1
    if varies and not all(isinstance(n, int) for n in sizes):
        return Skip(f"a part of {concat.name} has no known size")
    constants: list[Array] = []
    start = 0
    for n in sizes:
        if not varies:
            constants.append(array)
            continue
        assert isinstance(n, int)
        constants.append(array.take(range(start, start + n), axis=axis))
        start += n
    return Parts(concat, axis, tuple(constants), side)


def _is_repeated(value: ir.Value | None) -> bool:
    """A constant, or a constant that is repeated along axes of size 1."""
    if value is None or constant_array(value) is not None:
        return value is not None
    node = value.producer()
    return node is not None and node.op_type == "Expand" and constant_array(node.inputs[0]) is not None


def _apply(op: Builder, root: ir.Node, part: ir.Value, array: Array, side: int) -> ir.Value:
    """The root's operation on one part; a repeated constant is repeated afterwards."""
    node = part.producer()
    inner = node.inputs[0] if node is not None and node.op_type == "Expand" else None
    constant = op.constant(array, f"{root.name}.part")
    known = constant_array(inner)
    if node is not None and inner is not None and known is not None and _fits(array, known):
        changed = _binary(op, root, inner, constant, side)
        result: ir.Value = op.Expand(changed, *node.inputs[1:])
    else:
        result = _binary(op, root, part, constant, side)
    result.shape, result.type = part.shape, part.type
    return result


def _fits(array: Array, onto: Array) -> bool:
    """Does the array broadcast onto the other without growing it?"""
    sizes = zip(reversed(array.shape), reversed(onto.shape), strict=False)
    return array.ndim <= onto.ndim and all(a in (1, b) for a, b in sizes)


def _binary(op: Builder, root: ir.Node, x: ir.Value, constant: ir.Value, side: int) -> ir.Value:
    operands = (x, constant) if side == 0 else (constant, x)
    result: ir.Value = op.node(root.op_type, *operands)
    result.shape, result.type = x.shape, x.type
    return result
