"""Layers that differ in numbers alone share one kernel, and their answers are ONNX Runtime's."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import parser

import burnish
from burnish.building.analyze import analyze
from burnish.kernels.abilities import Abilities
from burnish.kernels.task import Program, each_launch
from tests.end_to_end.oracle import answers, session

NUMBERS = "numbers/"
CHECKED = "cpu:x86-64-v2+checked"  # every access is tested, those of the numbers too


def model(nodes: str, constants: str, inputs: str = "float[4, 12] x", results: str = "y") -> onnx.ModelProto:
    outputs = ", ".join(f"float[4, 12] {name}" for name in results.split())
    return parser.parse_model(
        f"""<ir_version: 10, opset_import: ["" : 21]> g ({inputs}) => ({outputs}) <{constants}> {{ {nodes} }}"""
    )


def program_of(m: onnx.ModelProto) -> Program:
    return analyze(m, abilities=Abilities(integer_products=True)).program


def checked(m: onnx.ModelProto, **more: Any) -> Program:
    """The program, after its answers were compared with ONNX Runtime's."""
    feeds = {"x": np.random.default_rng(0).standard_normal((4, 12)).astype(np.float32)} | more
    want = answers(session(m.SerializeToString()), feeds)
    with burnish.load(burnish.build(m, target=CHECKED), threads=1) as engine:
        got = engine(feeds)
    for name, array in want.items():
        np.testing.assert_allclose(got[name], array, rtol=2e-6)
    return program_of(m)


def kernels(program: Program) -> list[str]:
    return [launch.kernel.key for launch in each_launch(program.steps)]


def lifted(program: Program) -> list[list[float]]:
    return [program.constants[s.number].tolist() for s in program.storages if s.name.startswith(NUMBERS)]


def in_a_row(*numbers: tuple[float, ...]) -> onnx.ModelProto:
    """(x / d + a) * f, and the rows' sums, so that each layer has a kernel of its own."""
    nodes, constants = "", []
    for i, (d, a, f) in enumerate(numbers):
        x, y = "x" if i == 0 else f"y{i}", "y" if i == len(numbers) - 1 else f"y{i + 1}"
        constants += [f"float d{i} = {{{d}}}", f"float a{i} = {{{a}}}", f"float f{i} = {{{f}}}"]
        nodes += f"p{i} = Div ({x}, d{i}) q{i} = Add (p{i}, a{i}) r{i} = Mul (q{i}, f{i}) "
        nodes += f"{y} = LpNormalization <axis = 1, p = 1> (r{i}) "
    return model(nodes, ", ".join(constants))


def distinct(*numbers: tuple[float, ...]) -> int:
    return len(set(kernels(program_of(in_a_row(*numbers)))))


def test_quantised_layers_share_a_kernel_whatever_their_scales_and_zero_points() -> None:
    nodes, constants = "", []
    for i, (scale, zero) in enumerate([(0.031, 131), (0.027, 120), (0.044, 7)]):
        x, y = "x" if i == 0 else f"y{i}", "y" if i == 2 else f"y{i + 1}"
        constants += [f"float s{i} = {{{scale}}}", f"uint8 z{i} = {{{zero}}}"]
        nodes += f"q{i} = QuantizeLinear ({x}, s{i}, z{i}) d{i} = DequantizeLinear (q{i}, s{i}, z{i}) "
        nodes += f"{y} = Softmax <axis = 1> (d{i}) "
    program = checked(model(nodes, ", ".join(constants)))
    quantise, *both, softmax = kernels(program)  # the codes of x; a softmax of codes, and its own codes
    assert len(both) == 2 and len({quantise, *both, softmax}) == 3
    numbers = [[each[n : n + 2] for n in (0, 16)] for each in lifted(program)]  # each launch has its own cache line
    assert [[131, 120], [120, 7]] in numbers
    floats = next(each for each in numbers if isinstance(each[0][0], float))
    np.testing.assert_allclose(floats, [(0.031, 0.027), (0.027, 0.044)])


def test_a_number_that_all_layers_have_stays_in_the_code() -> None:
    assert lifted(program_of(in_a_row((0.3, 5.5, 0.7), (0.3, 5.5, 0.7)))) == []
    program = checked(in_a_row((0.3, 5.5, 0.7), (0.6, 5.5, 0.9)))
    assert len(set(kernels(program))) == 1
    ((*numbers,),) = lifted(program)
    np.testing.assert_allclose([numbers[:2], numbers[16:18]], [(0.3, 0.7), (0.6, 0.9)])
    assert "5.5:f32" in kernels(program)[0]


def test_numbers_that_are_equal_in_each_layer_are_one_operand() -> None:
    ((*numbers,),) = lifted(program_of(in_a_row((0.3, 0.3, 0.3), (0.6, 0.6, 0.6))))
    np.testing.assert_allclose([numbers[:2], numbers[16:18]], [(0.3, 0), (0.6, 0)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((0.3, 0.0, 0.7), (0.6, 5.5, 0.9)),  # a sum with 0 vanishes
        ((1.0, 5.5, 0.7), (0.6, 5.5, 0.9)),  # so does a quotient by 1
        ((0.25, 5.5, 0.7), (0.6, 5.5, 0.9)),  # a quotient by a power of two is a product
        ((0.3, 5.5, 1.0), (0.6, 5.5, 0.9)),
        ((0.3, 5.5, -1.0), (0.6, 5.5, 0.9)),
    ],
)
def test_a_number_that_shapes_the_code_stays_in_it(one: tuple[float, ...], other: tuple[float, ...]) -> None:
    assert distinct(one, other) == 2
    assert distinct(one, other, one, other) == 2


def test_a_power_of_two_that_multiplies_or_is_added_is_a_number_as_any_other() -> None:
    assert distinct((0.3, 128.0, 2.0), (0.6, 5.5, 0.9)) == 1


def test_exponents_stay_in_the_code() -> None:
    nodes = "p = Softmax <axis = 1> (x) a = Pow (p, e) q = Softmax <axis = 1> (a) y = Pow (q, f)"
    assert lifted(program_of(model(nodes, "float e = {1.7}, float f = {2.3}"))) == []


def test_both_sides_of_an_if_share_a_kernel() -> None:
    side = "s{0} = Mul (x, {1}) {2} = Softmax <axis = 1> (s{0})"
    then, otherwise = side.format(0, "a", "t"), side.format(1, "b", "o")
    sides = f"then_branch = one () => (float[4, 12] t) {{{then}}}, "
    sides += f"else_branch = other () => (float[4, 12] o) {{{otherwise}}}"
    m = model(
        f"y = If (c) <{sides}>",
        "float a = {0.3}, float b = {0.7}",
        "float[4, 12] x, bool c",
    )
    program = checked(m, c=np.array(False))
    checked(m, c=np.array(True))
    assert len(set(kernels(program))) == 1 and len(lifted(program)) == 1
