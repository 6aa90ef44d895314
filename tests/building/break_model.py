"""Small valid models of many operators, and what may be wrong with a file: a mutation breaks (or spares) one thing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import numpy as np
import onnx
from onnx import helper, numpy_helper

HEADER = '<ir_version: 10, opset_import: ["" : 21]> '
SOURCES = [
    HEADER + text
    for text in (
        """m (float[1,4,8,8] x, float[4,4,3,3] w, float[4] b) => (float[1,4,8,8] y) {
        c = Conv <pads=[1,1,1,1]> (x, w, b) n = InstanceNormalization (c, b, b) p = MaxPool <kernel_shape=[1,1]> (n)
        y = Add (p, x) }""",
        """m (float[2,6,16] x, float[16,16] w, float[16] g) => (float[2,6,16] y, float[2,16] z) <int64[1] a = {1}> {
        h = MatMul (x, w) n, , d = LayerNormalization (h, g, g) s = Softmax (n) y = Mul (s, x)
        z = ReduceMean <keepdims=0> (y, a) }""",
        """m (float[n,3,8] x, int64[k] i) => (float[a,b,c] y, int64[r] q)
        <int64[3] s = {0,-1,4}, int64[1] one = {1}, int64[1] two = {2}> {
        g = Gather <axis=0> (x, i) r = Reshape (g, s) t = Transpose <perm=[1,0,2]> (r) u = Slice (t, one, two)
        y = Concat <axis=0> (u, t) q = Shape (y) }""",
        """m (bool c, float[3,4] x) => (float[a,b] y, float[k] u) <float[1] two = {2.0}> {
        y = If (c) <then_branch = g () => (float[p,q] t) { t = Transpose (x) },
                    else_branch = h () => (float[r,z] e) { e = Mul (x, two) }>
        u, , v, = Unique (x) }""",
        """m (float[5,2,4] x, float[1,16,4] w, float[1,16,4] r) => (float[a,b,c,d] y, float[e,f,g] h) {
        y, h = LSTM <hidden_size=4> (x, w, r) }""",
        """m (int64 n, float[2,3] x) => (float[2,3] y, float[k,2,3] z) <bool t = {1}> {
        y, z = Loop (n, t, x) <body = b (int64 i, bool c, float[2,3] v) => (bool o, float[2,3] w, float[2,3] s) {
            o = Identity (c) w = Add (v, v) s = Cos (w) }> }""",
        """m (float[2,4] x) => (uint8[2,4] q, float[2,4] y, float[2,2] v, int64[2,2] j)
        <float e = {0.1}, uint8 z = {128}, int64[1] k = {2}, int64 lo = {0}> {
        q = QuantizeLinear (x, e, z) y = DequantizeLinear (q, e, z) v, i = TopK (x, k) j = Clip (i, lo) }""",
        "m (float[1,2,3,4] q, float[1,2,5,4] v, float[3,5] k) => (float[1,2,3,4] y) { y = Attention (q, v, v, k) }",
    )
]
SOURCES[-1] = SOURCES[-1].replace('"" : 21', '"" : 23')
NUMBERS = [0, 1, -1, 2, 3, -2, 7, 100, 2**31, 2**63 - 1, -(2**63)]
TYPES = [0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 14, 16, 17, 21, 22, 99]
OPERATORS = sorted({s.name for s in onnx.defs.get_all_schemas() if s.domain == ""})
Mutation = Callable[[random.Random, onnx.ModelProto, onnx.GraphProto, onnx.NodeProto], None]


def mutate(draw: random.Random, model: onnx.ModelProto) -> None:
    """One random change anywhere in the model; none where it does not apply."""
    graph = draw.choice(list(_graphs(model.graph)))
    if graph.node:
        draw.choice(MUTATIONS)(draw, model, graph, draw.choice(graph.node))


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _names(graph: onnx.GraphProto) -> list[str]:
    return [
        *(o for n in graph.node for o in n.output),
        *(v.name for v in graph.input),
        *(t.name for t in graph.initializer),
        *("", "dangling"),
    ]


def _tensor(draw: random.Random, name: str) -> onnx.TensorProto:
    dtype = draw.choice([np.float32, np.int64, np.int32, np.float64, np.bool_, np.float16, np.uint8])
    shape = [draw.choice([0, 1, 2, 3]) for _ in range(draw.randint(0, 3))]
    return numpy_helper.from_array(np.full(shape, draw.choice([0, 1, 2, 5])).astype(dtype), name)


def rewire_input(draw: random.Random, model: onnx.ModelProto, graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    if node.input:
        node.input[draw.randrange(len(node.input))] = draw.choice(_names(graph))


def drop_input(draw: random.Random, model: onnx.ModelProto, graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    if node.input:
        del node.input[draw.randrange(len(node.input))]


def more_inputs(draw: random.Random, model: onnx.ModelProto, graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    node.input.append(draw.choice(_names(graph)))


def rename_output(draw: random.Random, model: onnx.ModelProto, graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    if node.output:
        node.output[draw.randrange(len(node.output))] = draw.choice(_names(graph))


def more_outputs(draw: random.Random, model: onnx.ModelProto, graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    node.output.append(draw.choice(["", "extra"]))


def constant_input(draw: random.Random, model: onnx.ModelProto, graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    if node.input:
        graph.initializer.append(_tensor(draw, f"constant_{len(graph.initializer)}"))
        node.input[draw.randrange(len(node.input))] = graph.initializer[-1].name


def default_input(draw: random.Random, model: onnx.ModelProto, graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    if graph.input:
        graph.initializer.append(_tensor(draw, draw.choice(graph.input).name))


def change_type(draw: random.Random, model: onnx.ModelProto, graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    value = draw.choice([*model.graph.input, *model.graph.output])
    value.type.tensor_type.elem_type = draw.choice(TYPES)


def change_shape(draw: random.Random, model: onnx.ModelProto, graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    value = draw.choice([*model.graph.input, *model.graph.output])
    dims = value.type.tensor_type.shape.dim
    kind = draw.randrange(5)
    if kind == 0:
        dims.add().dim_value = draw.choice([0, 1, 2])
    elif kind == 1:
        value.type.tensor_type.ClearField("shape")
    elif dims:
        place = draw.randrange(len(dims))
        if kind == 2:
            del dims[place]
        elif kind == 3:
            dims[place].dim_value = draw.choice([0, 1, 2, 7, -1])
        else:
            dims[place].dim_param = draw.choice(["n", "m", "?", ""])


def change_attribute(draw: random.Random, model: onnx.ModelProto, graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    if not node.attribute:
        return
    found = draw.choice(node.attribute)
    if found.type == onnx.AttributeProto.INT:
        found.i = draw.choice(NUMBERS)
    elif found.type == onnx.AttributeProto.INTS:
        found.ints[:] = [draw.choice(NUMBERS) for _ in range(draw.randint(0, 5))]
    else:
        node.attribute.remove(found)


def add_attribute(draw: random.Random, model: onnx.ModelProto, graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    declared = onnx.defs.get_schema(node.op_type).attributes if onnx.defs.has(node.op_type) else {}
    missing = sorted(set(declared) - {a.name for a in node.attribute})
    if not missing:
        return
    name = draw.choice(missing)
    values = {
        "INT": draw.choice(NUMBERS),
        "INTS": [draw.choice(NUMBERS) for _ in range(draw.randint(1, 4))],
        "FLOAT": draw.choice([0.0, -1.0, float("nan")]),
        "STRING": draw.choice(["", "x", "linear", "SAME_UPPER"]),
    }
    if (kind := declared[name].type.name) in values:
        node.attribute.append(helper.make_attribute(name, values[kind]))


def change_operator(draw: random.Random, model: onnx.ModelProto, graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    node.op_type = draw.choice(OPERATORS)


def change_opset(draw: random.Random, model: onnx.ModelProto, graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    model.opset_import[0].version = draw.choice([6, 7, 9, 10, 11, 12, 13, 15, 17, 18, 20, 22, 23])


def drop_node(draw: random.Random, model: onnx.ModelProto, graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    graph.node.remove(node)


def repeat_node(draw: random.Random, model: onnx.ModelProto, graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    graph.node.add().CopyFrom(node)


def change_constant(draw: random.Random, model: onnx.ModelProto, graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    if graph.initializer:
        found = draw.choice(graph.initializer)
        found.CopyFrom(_tensor(draw, found.name))


def change_output(draw: random.Random, model: onnx.ModelProto, graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    found = draw.choice(model.graph.output)
    if draw.random() < 0.5:
        found.name = draw.choice(_names(model.graph))
    else:
        found.ClearField("type")


MUTATIONS: list[Mutation] = [
    rewire_input, drop_input, more_inputs, rename_output, more_outputs, constant_input, default_input, change_type,
    change_shape, change_attribute, add_attribute, change_operator, change_opset, drop_node, repeat_node,
    change_constant, change_output,
]  # fmt: skip
