"""If queries, keys and values of an attention are products of the same float8, they become one product.

    q = views(Q(x @ Wq * cq + bq, sq)), k and v likewise
    ->  y = Q(x @ [Wq Wk Wv] * [cq/sq ck/sk cv/sv] + [bq/sq bk/sk bv/sv], 1)
        q = views(y[..., :N]), k = views(y[..., N:2N]), v = views(y[..., 2N:])

c: the scale of x times that of W, one or one for each column; Q and the bias may be missing. Without Q it is exact.
With it, c/s and b/s are rounded to f32, so a code may be the next one where a number lies that near to a tie: no scale
divides in the kernel. Runs after products of float8 are multiplied as codes; `merge_products.py` merges floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish.ops.attention import DOMAIN, OF_CODES
from burnish.passes.forms.products import is_shared, rank_of
from burnish.passes.merge_products import find_group, split_among, through_views
from burnish.passes.quantised.attention_to_codes import float8_scale
from burnish.passes.quantised.product_to_float8 import FLOAT8
from burnish.passes.rewrite.constants import Array, constant_array
from burnish.passes.rewrite.pattern import PatternBuilder
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip


@dataclass(frozen=True)
class Scaled:
    """Input `number` of the attention: views, the last one first, of Q(x @ weight * factor + bias).

    factor, bias: [columns], over the scale of Q; is_codes: there is a Q; nodes: all but the views, the last one first
    """

    number: int
    views: tuple[ir.Node, ...]
    nodes: tuple[ir.Node, ...]
    weight: Array
    factor: Array
    bias: Array | None
    is_codes: bool

    @property
    def x(self) -> ir.Value | None:
        return self.nodes[-1].inputs[0]

    @property
    def name(self) -> str:
        return str(self.nodes[-1].name)

    @property
    def kind(self) -> tuple[object, ...]:
        """The properties in which products must agree."""
        return id(self.x), self.is_codes

    @property
    def columns(self) -> int:
        return int(self.weight.shape[1])


class MergeFloat8(Rule):
    op_types = ("Attention",)

    def find(self, node: ir.Node) -> Match | Skip:
        return find_group(node, [_operand(node, number) for number in range(3)])

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        root, inputs = match.root, split_among(op, _merged(op, match.group), match.root, match.group)
        attributes = {k: a.value for k, a in root.attributes.items()}
        return op.node(root.op_type, *inputs, _domain=root.domain, _name=root.name, **attributes)  # type: ignore[no-any-return]


class MergeFloat8OfCodes(MergeFloat8):
    """Where the attention reads codes."""

    def pattern(self, op: PatternBuilder) -> Any:
        return op.one_of((OF_CODES,), _domain=DOMAIN, _more_inputs=True)


def _operand(attention: ir.Node, number: int) -> Scaled | Skip:
    """Read an input of the attention from its end to the product."""
    found = through_views(attention.inputs[number])
    if isinstance(found, Skip):
        return found
    value, views = found
    nodes: list[ir.Node] = []
    quantise = _producer(value, "QuantizeLinear")
    scale = None if quantise is None else float8_scale(quantise)
    if isinstance(scale, Skip):
        return scale
    if quantise is not None:
        nodes.append(quantise)
        value = quantise.inputs[0]
    add, bias = _with_constant(value, "Add")
    if add is not None:
        nodes.append(add)
        value = _other(add, bias)
    mul, factor = _with_constant(value, "Mul")
    product = _producer(None if mul is None else _other(mul, factor), "MatMul")
    weight = None if product is None else constant_array(product.inputs[1])
    if mul is None or product is None or weight is None or weight.ndim != 2 or product.inputs[1].dtype != FLOAT8:  # type: ignore[union-attr]
        return Skip(f"{'a missing input' if value is None else value.name} is no scaled product of float8")
    columns, rank = weight.shape[1], rank_of(product.outputs[0]) or 1
    wide = [None if a is None else _along(constant_array(a), columns, rank) for a in (factor, bias)]
    if wide[0] is None or (bias is not None and wide[1] is None):
        return Skip(f"what is added to {product.name} or scales it differs in more than its columns")
    with np.errstate(over="ignore"):
        over = [None if a is None else a / np.float32(scale or 1) for a in wide]
    if not all(a is None or np.isfinite(a).all() for a in over):
        return Skip(f"the scale of {product.name} is too large for that of its codes")
    assert over[0] is not None
    return Scaled(number, views, (*nodes, mul, product), weight, over[0], over[1], scale is not None)


def _producer(value: ir.Value | None, op_type: str) -> ir.Node | None:
    """The node of that type that computes a value for one user alone."""
    node = None if value is None or is_shared(value) else value.producer()
    return node if node is not None and node.op_type == op_type and not node.domain else None


def _with_constant(value: ir.Value | None, op_type: str) -> tuple[ir.Node | None, ir.Value | None]:
    """An Add or Mul of a constant, and that constant."""
    node = _producer(value, op_type)
    constants = [] if node is None else [v for v in node.inputs if v is not None and constant_array(v) is not None]
    return (node, constants[0]) if len(constants) == 1 else (None, None)


def _other(node: ir.Node, constant: ir.Value | None) -> ir.Value | None:
    return node.inputs[1] if node.inputs[0] is constant else node.inputs[0]


def _along(array: Array | None, columns: int, rank: int) -> Array | None:
    """A constant as f32 of each column; None if it differs along another axis, or gives the product more axes."""
    if array is None or array.dtype != np.float32 or array.size not in (1, columns) or array.ndim > rank:
        return None
    if array.size != 1 and array.shape[-1] != columns:
        return None
    return np.ascontiguousarray(np.broadcast_to(array.reshape(-1), (columns,)))


def _merged(op: Builder, group: Sequence[Scaled]) -> ir.Value:
    """One product that computes all parts side by side."""
    first, result = group[0], group[0].nodes[0].outputs[0]
    name = f"{first.nodes[-1].name}.merged"
    weight = op.constant(np.concatenate([o.weight for o in group], axis=1), f"{name}.weight")
    assert result.shape is not None
    shape = ir.Shape([*list(result.shape)[:-1], sum(o.columns for o in group)])

    def typed(value: ir.Value, dtype: ir.DataType = ir.DataType.FLOAT) -> ir.Value:
        value.shape, value.type = shape, ir.TensorType(dtype)
        return value

    value = typed(op.MatMul(first.x, weight, _name=name))
    value = typed(op.Mul(value, op.constant(np.concatenate([o.factor for o in group]), f"{name}.scale")))
    if any(o.bias is not None for o in group):
        every = [np.zeros(o.columns, np.float32) if o.bias is None else o.bias for o in group]
        value = typed(op.Add(value, op.constant(np.concatenate(every), f"{name}.bias")))
    if not first.is_codes:
        return value
    one = op.constant(1.0, f"{name}.codes", np.float32)
    return typed(op.QuantizeLinear(value, one, output_dtype=int(FLOAT8)), FLOAT8)
