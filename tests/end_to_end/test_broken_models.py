"""Any model gives a plan or a coded error: ONNX's node cases, changed at random until most are broken."""

from __future__ import annotations

import random

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import burnish
from burnish.errors import BurnishError
from tests.node_cases import cases_by_kind, with_constant_arguments

FAST, SLOW = 40, 854  # beyond, one makes ONNX's own shape inference abort the process


def changed(model: onnx.ModelProto, dice: random.Random) -> onnx.ModelProto:
    """The model with one to three of its facts replaced."""
    broken = onnx.ModelProto()
    broken.CopyFrom(model)
    for _ in range(dice.randint(1, 3)):
        dice.choice([_attribute, _input, _shape, _type, _constant, _output])(broken.graph, dice)
    return broken


def _attribute(graph: onnx.GraphProto, dice: random.Random) -> None:
    attributes = dice.choice(graph.node).attribute
    if not attributes:
        return
    attribute = dice.choice(attributes)
    if attribute.type == onnx.AttributeProto.INT:
        attribute.i = dice.choice([-7, -1, 0, 1, 2, 5, 1 << 40])
    elif attribute.type == onnx.AttributeProto.INTS:
        values = [dice.choice([-3, -1, 0, 1, 2, 9]) for _ in range(dice.choice([0, 1, 2, 4]))]
        del attribute.ints[:]
        attribute.ints.extend(values)
    elif attribute.type == onnx.AttributeProto.STRING:
        attribute.s = dice.choice([b"", b"nonsense", b"SAME_UPPER", b"linear"])
    elif dice.random() < 0.5:
        attributes.remove(attribute)


def _input(graph: onnx.GraphProto, dice: random.Random) -> None:
    inputs = dice.choice(graph.node).input
    if inputs:
        place = dice.randrange(len(inputs))
        inputs[place] = dice.choice(["", *(v.name for v in graph.input)])


def _shape(graph: onnx.GraphProto, dice: random.Random) -> None:
    if graph.input:
        dims = dice.choice(graph.input).type.tensor_type.shape.dim
        if dims and dice.random() < 0.7:
            dice.choice(dims).dim_value = dice.choice([0, 1, 2, 3, 7])
        elif dims and dice.random() < 0.5:
            del dims[-1]
        else:
            dims.add().dim_value = 2


def _type(graph: onnx.GraphProto, dice: random.Random) -> None:
    if graph.input:
        kinds = [onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.TensorProto.BOOL, onnx.TensorProto.FLOAT16]
        dice.choice(graph.input).type.tensor_type.elem_type = dice.choice(kinds)


def _constant(graph: onnx.GraphProto, dice: random.Random) -> None:
    if graph.initializer:
        tensor = dice.choice(graph.initializer)
        array = numpy_helper.to_array(tensor)
        if array.dtype.kind in "if":
            cut = array.reshape(-1)[: dice.choice([0, 1, array.size])]
            new = np.asarray(cut * dice.choice([0, 1, -1, 100]), array.dtype)
            tensor.CopyFrom(numpy_helper.from_array(new, tensor.name))


def _output(graph: onnx.GraphProto, dice: random.Random) -> None:
    outputs = dice.choice(graph.node).output
    outputs[dice.randrange(len(outputs))] = dice.choice(["", "other", *outputs])


def build(seed: int) -> None:
    dice = random.Random(seed)
    case = dice.choice(cases_by_kind()["one node"])
    model = changed(with_constant_arguments(case)[0] if dice.random() < 0.7 else case.model, dice)
    if dice.random() < 0.5:
        for value in model.graph.input:
            for axis, dim in enumerate(value.type.tensor_type.shape.dim):
                dim.dim_param = f"{value.name}_{axis}"
        ranks = {v.name: len(v.type.tensor_type.shape.dim) for v in model.graph.input}
        kept = {t.name for t in model.graph.initializer}
        profile = {n: ((1,) * r, (2,) * r, (4,) * r) for n, r in ranks.items() if n not in kept}
    else:
        profile = None
    try:
        burnish.build(model, profile=profile)
    except BurnishError as error:
        assert not error.code.startswith("E9"), f"seed {seed}, {case.name}: {error}"
    except Exception as error:
        raise AssertionError(f"seed {seed}, {case.name}: {type(error).__name__}: {error}") from error


@pytest.mark.parametrize("first", [0])
def test_only_coded_errors_leave_a_build(first: int) -> None:
    for seed in range(first, first + FAST):
        build(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FAST, SLOW, 74))
def test_only_coded_errors_leave_any_build(first: int) -> None:
    for seed in range(first, first + 74):
        build(seed)
