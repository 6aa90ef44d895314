"""A reshape moves behind the pointwise operator that reads it.

    f(Reshape(x))        ->  Reshape(f(x))         f unary, or with a constant of one element

Then f joins the node that computes x (as an epilogue), and reshapes meet and merge. Exact. Runs after the patterns.
"""

from __future__ import annotations

import onnx_ir as ir

from burnish.passes.cancel_reshapes import RESHAPES
from burnish.passes.rewrite.constants import constant_array
from burnish.passes.rewrite.pattern import COMMUTATIVE
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

UNARY = (
    "Abs", "Cast", "Ceil", "Clip", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish",
    "LeakyRelu", "Log", "Mish", "Neg", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softplus",
    "Softsign", "Sqrt", "Swish", "Tanh",
)  # fmt: skip
BINARY = ("Add", "Div", "Max", "Min", "Mul", "Pow", "PRelu", "Sub")


class SinkReshape(Rule):
    op_types = (*UNARY, *BINARY)

    def check(self, match: Match) -> int | Skip:
        """The number of the operand that is the reshape."""
        node = match.root
        places = (0, 1) if node.op_type in COMMUTATIVE else (0,)
        index = next((i for i in places if i < len(node.inputs) and _is_reshape(node.inputs[i], node)), None)
        if index is None:
            return Skip("its input is not a reshape of this graph")
        value = node.inputs[index]
        assert value is not None
        if len(value.uses()) > 1 or value.is_graph_output():
            return Skip(f"{value.name} has other users")
        others = [v for i, v in enumerate(node.inputs) if i != index and v is not None]
        arrays = [constant_array(v) for v in others]
        if any(a is None or a.size != 1 for a in arrays):
            return Skip("another operand is no constant of one element")
        if value.shape is None or any(a is not None and a.ndim > len(value.shape) for a in arrays):
            return Skip("a constant adds axes")
        return index

    def rewrite(self, op: Builder, match: Match, found: int) -> ir.Value:
        node = match.root
        reshape = _producer(node.inputs[found])
        x = reshape.inputs[0]
        assert x is not None
        operands = [x if i == found else _scalar(op, v) for i, v in enumerate(node.inputs)]
        attributes = {k: a.value for k, a in node.attributes.items()}
        moved: ir.Value = op.node(node.op_type, *operands, _domain=node.domain, **attributes)
        moved.shape, moved.type = x.shape, node.outputs[0].type
        kept = {k: a.value for k, a in reshape.attributes.items()}
        result: ir.Value = op.node(reshape.op_type, moved, *reshape.inputs[1:], **kept)
        return result


def _is_reshape(value: ir.Value | None, user: ir.Node) -> bool:
    producer = value.producer() if value is not None else None
    return (
        producer is not None
        and producer.op_type in RESHAPES
        and producer.domain == ""
        and producer.graph is user.graph
        and producer.inputs[0] is not None
        and producer.inputs[0].shape is not None
    )


def _producer(value: ir.Value | None) -> ir.Node:
    producer = value.producer() if value is not None else None
    assert producer is not None
    return producer


def _scalar(op: Builder, value: ir.Value | None) -> ir.Value | None:
    """A constant of one element, without axes."""
    array = constant_array(value)
    if value is None or array is None or array.ndim == 0:
        return value
    return op.constant(array.reshape(()), f"{value.name}.scalar")


RULES = (SinkReshape(),)
