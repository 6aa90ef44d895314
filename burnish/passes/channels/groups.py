"""Groups of tensors that share their channels: a channel can only be taken from all of a group at once.

    a = Conv(x, V)    b = Relu(a)    c = Add(b, d)    y = Conv(c, W)        d: another convolution's

a, b, c, d are a group. Channel k of it is row k of V and of d's weights, and column k of W. What a group is made of
has to be known in whole: a tensor that is an output of the model, or that another kind of node reads, bars it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.weights import PRODUCTS, weight_axes
from burnish.passes.rewrite.constants import Array, constant_array, constant_integers, constant_number

KEEPS_ZERO = frozenset({
    "Abs", "Erf", "Flatten", "Gelu", "HardSwish", "Identity", "LeakyRelu", "Neg", "Relu", "Reshape", "Sin", "Softsign",
    "Sqrt", "Swish", "Tan", "Tanh",
})  # fmt: skip
POOLS = frozenset({"AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"})
MOVES_ZERO = frozenset({"Clip", "Exp", "HardSigmoid", "Sigmoid", "Softplus"})
PAIRS = frozenset({"Add", "Sub", "Mul"})


@dataclass(frozen=True, eq=False)
class Slice:
    """Input `number` of a node is a constant that has a place for each channel, along `axis`."""

    node: ir.Node
    number: int
    axis: int

    @property
    def array(self) -> Array:
        found = constant_array(self.node.inputs[self.number])
        assert found is not None
        return found

    def is_zero(self) -> Array:
        """bool[channels]: is all of a channel 0?"""
        others = tuple(a for a in range(self.array.ndim) if a != self.axis)
        return np.asarray((self.array == 0).all(others))


@dataclass(eq=False)
class Group:
    """Tensors that share `size` channels, along `axis` of each.

    makers:  what computes a channel from others: weights and biases of products
    riders:  constants on the way, one number or filter a channel: of depthwise convolutions, and beside a tensor
    readers: what sums over the channels: weights of products
    read:    the tensors that those products read
    """

    graph: ir.Graph
    size: int
    values: dict[ir.Value, int] = field(default_factory=dict)
    makers: list[Slice] = field(default_factory=list)
    riders: list[Slice] = field(default_factory=list)
    readers: list[Slice] = field(default_factory=list)
    read: list[ir.Value] = field(default_factory=list)
    barred: str = ""

    @property
    def slices(self) -> tuple[Slice, ...]:
        return (*self.makers, *self.riders, *self.readers)


def find_groups(graph: ir.Graph) -> Iterator[Group]:
    """Every group that no tensor bars, in the order in which their first product runs."""
    seen = set[ir.Value]()
    for node in graph:
        value = node.outputs[0]
        if value in seen or (made := _made(node)) is None:
            continue
        group = _grow(graph, value, made)
        seen.update(group.values)
        if not group.barred and group.read:
            yield group


def zeros(group: Group) -> dict[ir.Value, Array]:
    """For each tensor of the group, bool[size]: is the channel 0 whatever the input is?"""
    found = dict[ir.Value, Array]()
    constants = {(s.node, s.number): s for s in (*group.makers, *group.riders)}
    for node in group.graph:
        value = node.outputs[0]
        if value in group.values:
            found[value] = _zero(node, constants, found, group.size)
    return found


def _zero(node: ir.Node, constants: dict[tuple[ir.Node, int], Slice], found: dict[ir.Value, Array], size: int) -> Array:
    never = np.zeros(size, bool)
    if node.op_type in PRODUCTS:
        weight = constants[node, 1].is_zero()
        if node.inputs[0] in found:  # a depthwise convolution; a product of this very group reads all channels
            weight = weight | found[node.inputs[0]] if _is_depthwise(node) else weight
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        return weight if bias is None else weight & constants[node, 2].is_zero()
    if node.op_type in PAIRS:
        sides = [
            found[v] if v in found else _zero_constant(node, i, constants, size) for i, v in enumerate(node.inputs)
        ]
        return sides[0] | sides[1] if node.op_type == "Mul" else sides[0] & sides[1]
    keeps = node.op_type in KEEPS_ZERO | POOLS or (node.op_type == "Clip" and _spans_zero(node))
    data = node.inputs[0]
    return found[data] if keeps and data in found else never


def _spans_zero(clip: ir.Node) -> bool:
    low, high = (constant_number(v) if v is not None else 0 for v in (*clip.inputs[1:], None, None)[:2])
    return low is not None and high is not None and low <= 0 <= high


def _zero_constant(node: ir.Node, number: int, constants: dict[tuple[ir.Node, int], Slice], size: int) -> Array:
    if (node, number) in constants:
        return constants[node, number].is_zero()
    array = constant_array(node.inputs[number])
    return np.full(size, array is not None and bool((array == 0).all()))


@dataclass(frozen=True)
class _Made:
    """A product makes `size` channels, along an axis of its result."""

    size: int
    axis_of_result: int
    slices: tuple[Slice, ...]


def _grow(graph: ir.Graph, first: ir.Value, made: _Made) -> Group:
    """All that shares its channels with `first`, which a product makes."""
    axis, group, open_values = made.axis_of_result, Group(graph, made.size), [first]
    while open_values and not group.barred:
        value = open_values.pop()
        if value in group.values:
            continue
        group.values[value] = axis
        if value.shape is None or len(value.shape) <= axis or value.shape[axis] != group.size:
            group.barred = f"{value.name} has not {group.size} channels on axis {axis}"
        elif value.is_graph_output():
            group.barred = f"{value.name} is an output of the model"
        else:
            open_values += _sources(group, value, axis)
            open_values += _uses(group, value, axis)
    return group


def _sources(group: Group, value: ir.Value, axis: int) -> list[ir.Value]:
    """Add what computes a tensor; returns the tensors that it shares its channels with."""
    node = value.producer()
    if node is not None and not node.domain and (made := _made(node)) is not None:
        if (made.size, made.axis_of_result) != (group.size, axis):
            group.barred = f"{value.name} has its channels on axis {made.axis_of_result}, not {axis}"
            return []
        depthwise = _is_depthwise(node)
        (group.riders if depthwise else group.makers).extend(made.slices)
        return [v for v in node.inputs[:1] if v is not None] if depthwise else []
    carried = None if node is None else _carried(node, axis, group.size)
    if carried is None:
        group.barred = f"{value.name} is computed by {'nothing here' if node is None else node.op_type}"
        return []
    group.riders.extend(carried[1])
    return list(carried[0])


def _uses(group: Group, value: ir.Value, axis: int) -> list[ir.Value]:
    """Add what reads a tensor; returns the tensors that share its channels."""
    others = list[ir.Value]()
    for use in value.uses():
        node = use.node
        if node.graph is not group.graph:
            group.barred = f"{node.op_type} '{node.name}' of a subgraph reads {value.name}"
        elif (reader := _reader(node, use.idx, axis)) is not None:
            group.readers.append(reader)
            group.read.append(value)
        elif not node.domain and (_is_depthwise(node) or _carried(node, axis, group.size) is not None):
            others.append(node.outputs[0])
        else:
            group.barred = f"{node.op_type} '{node.name}' reads {value.name}"
    return others


def _made(node: ir.Node) -> _Made | None:
    """The channels that a product makes: of Conv without groups or depthwise, ConvTranspose, Gemm, MatMul."""
    if node.op_type not in PRODUCTS or node.domain:
        return None
    weight = constant_array(node.inputs[1])
    if (
        weight is None
        or weight.dtype.kind in "iub"
        or (node.attributes.get_int("group", 1) != 1 and not _is_depthwise(node))
    ):
        return None
    if node.op_type in ("Gemm", "MatMul") and weight.ndim != 2:
        return None
    axis = weight_axes(node, weight.ndim)[0]
    size, slices = weight.shape[axis], [Slice(node, 1, axis)]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None:
        own = constant_array(bias)
        if own is None or own.size != size or own.shape[-1] != size:
            return None
        slices.append(Slice(node, 2, own.ndim - 1))
    rank = None if node.outputs[0].shape is None else len(node.outputs[0].shape)
    if rank is None:
        return None
    return _Made(size, 1 if node.op_type.startswith("Conv") else rank - 1, tuple(slices))


def _reader(node: ir.Node, number: int, axis: int) -> Slice | None:
    """The weight whose rows a product multiplies with the channels of its data."""
    if number != 0 or node.op_type not in PRODUCTS or node.domain or node.attributes.get_int("group", 1) != 1:
        return None
    weight, data = constant_array(node.inputs[1]), node.inputs[0]
    if weight is None or weight.dtype.kind in "iub" or data is None or data.shape is None:
        return None
    inputs = weight_axes(node, weight.ndim)[1]
    if node.op_type in ("Conv", "ConvTranspose"):
        return Slice(node, 1, inputs) if axis == 1 else None
    if weight.ndim != 2 or axis != len(data.shape) - 1 or node.attributes.get_int("transA", 0) == 1:
        return None
    return Slice(node, 1, inputs)


def _carried(node: ir.Node, axis: int, size: int) -> tuple[tuple[ir.Value, ...], tuple[Slice, ...]] | None:
    """The inputs that a node hands on, channel by channel, and its constants of a number a channel; None: it mixes."""
    data = node.inputs[0] if node.inputs else None
    if node.domain or data is None or any(v.uses() or v.is_graph_output() for v in node.outputs[1:]):
        return None
    if node.op_type in PAIRS:
        return _pair(node, axis, size)
    if node.op_type not in KEEPS_ZERO | MOVES_ZERO and not (node.op_type in POOLS and axis == 1):
        return None
    if node.op_type in ("Flatten", "Reshape") and not _only_drops_ones(node, axis, size):
        return None
    return (data,), ()


def _pair(node: ir.Node, axis: int, size: int) -> tuple[tuple[ir.Value, ...], tuple[Slice, ...]] | None:
    """Two tensors of one rank, or a tensor and a constant."""
    computed, slices = list[ir.Value](), list[Slice]()
    rank = None if node.outputs[0].shape is None else len(node.outputs[0].shape)
    for number, value in enumerate(node.inputs):
        array = constant_array(value)
        if value is None or rank is None:
            return None
        if array is None:
            if value.shape is None or len(value.shape) != rank or value.shape[axis] != size:
                return None
            computed.append(value)
        elif array.ndim > rank - axis and array.shape[axis - rank] != 1:
            slices.append(Slice(node, number, array.ndim + axis - rank))
        elif array.ndim == rank - axis and array.shape[0] != 1:
            slices.append(Slice(node, number, 0))
    return tuple(computed), tuple(slices)


def _only_drops_ones(node: ir.Node, axis: int, size: int) -> bool:
    """[N, C, 1, 1] and [N, C]: what stands behind the channels is 1."""
    data, result = node.inputs[0], node.outputs[0]
    if data is None or data.shape is None or result.shape is None:
        return False
    if node.op_type == "Reshape" and constant_integers(node.inputs[1]) is None:
        return False
    before, after = tuple(data.shape), tuple(result.shape)
    ends = (before[axis + 1 :], after[axis + 1 :])
    return before[: axis + 1] == after[: axis + 1] and all(d == 1 for end in ends for d in end)


def _is_depthwise(node: ir.Node) -> bool:
    """One filter for each channel."""
    if node.op_type != "Conv" or node.domain or node.attributes.get_int("group", 1) == 1:
        return False
    weight = constant_array(node.inputs[1])
    return weight is not None and weight.shape[0] == node.attributes.get_int("group", 1) and weight.shape[1] == 1
