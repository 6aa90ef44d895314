"""LSTM, GRU, RNN: shapes of their outputs. The recurrent template has the arithmetic."""

from __future__ import annotations

from burnish.dims import Dim
from burnish.ops.agreement import agree_at
from burnish.ops.language.definition import NodeView, Recurrent, Shape
from burnish.ops.registry import Misfit, Undefined, operator

ACTIVATIONS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
INPUTS = {"LSTM": 8, "GRU": 6, "RNN": 6}
MOST_ROUNDED = 8  # sequences whose states have one range
OPTIONS = {"LSTM": ("input_forget",), "GRU": ("linear_before_reset",), "RNN": ()}


@operator("LSTM")
def lstm(node: NodeView) -> Recurrent:
    return _recurrent(node, outputs=3)


@operator("GRU")
def gru(node: NodeView) -> Recurrent:
    return _recurrent(node, outputs=2)


@operator("RNN")
def rnn(node: NodeView) -> Recurrent:
    return _recurrent(node, outputs=2)


def _rounds_states(node: NodeView, batch: Dim) -> bool:
    """Whether all sequences of the batch are few enough to be computed side by side."""
    is_small = isinstance(batch, int) and batch <= MOST_ROUNDED
    return node.rounds_states and is_small and node.optional(4) is None


def _recurrent(node: NodeView, outputs: int) -> Recurrent:
    """Y[time, directions, batch, hidden], then the last Y_h (and Y_c)[directions, batch, hidden]"""
    if node.attr("layout", 0):
        raise Undefined(f"{node.op_type} with layout=1")
    x, weight, recurrence = node.tensor(0), node.tensor(1), node.tensor(2)
    for name, tensor in (("X", x), ("W", weight), ("R", recurrence)):
        if tensor.rank != 3:
            raise Misfit(f"{name} has rank {tensor.rank}, not 3")
    hidden: int = node.attr("hidden_size", recurrence.shape[-1])
    if not all(isinstance(d, int) for d in (hidden, x.shape[2], *weight.shape, *recurrence.shape)):
        raise Undefined(f"{node.op_type} with a symbolic input or hidden size")
    rows = GATES[node.op_type] * hidden
    if weight.shape[1] != rows or recurrence.shape != (weight.shape[0], rows, hidden):
        raise Misfit(f"W and R are not the weights of {hidden} hidden values")
    agree_at(x, 2, weight, 2)
    for name, position, axis in (("sequence_lens", 4, 0), ("initial_h", 5, 1), ("initial_c", 6, 1)):
        state = node.optional(position)
        if state is not None and (name != "initial_c" or node.op_type == "LSTM"):
            if state.rank != 1 + 2 * axis:
                raise Misfit(f"{name} has rank {state.rank}")
            agree_at(state, axis, x, 1)
    time, batch = x.shape[:2]
    last: Shape = (weight.shape[0], batch, hidden)
    shapes = ((time, *last), last, last)[:outputs]
    wanted = (*map(bool, node.output_names), False, False, False)
    directions = 2 if node.attr("direction", "forward") == "bidirectional" else 1
    if weight.shape[0] != directions:
        raise Misfit(f"W holds {weight.shape[0]} directions, not {directions}")
    attributes = {
        "activations": tuple(node.attr("activations", ACTIVATIONS[node.op_type] * directions)),
        "activation_alpha": tuple(node.attr("activation_alpha", ())),
        "activation_beta": tuple(node.attr("activation_beta", ())),
        "clip": node.attr("clip", 0.0),
        **{name: node.attr(name, 0) for name in OPTIONS[node.op_type]},
        **({"rounds_states": 1} if _rounds_states(node, batch) else {}),
    }
    return Recurrent(
        kind=node.op_type,
        inputs=tuple(node.optional(i) for i in range(INPUTS[node.op_type])),
        outputs=tuple((shape, x.dtype) if want else None for shape, want in zip(shapes, wanted)),
        hidden_size=hidden,
        direction=node.attr("direction", "forward"),
        attributes=attributes,
    )
