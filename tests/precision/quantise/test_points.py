"""Which products are quantised, and why others are not."""

from __future__ import annotations

from burnish.precision.quantise.points import INSIDE, find_points, readers_of_codes
from tests.precision.graphs import normal, parse


def test_products_with_constant_weights_are_points_with_their_channels_axis() -> None:
    model = parse(
        """g (float[1,4,6,6] x, float[2,8] y) => (float[1,3,4,4] a, float[2,5] b, float[2,5] c, float[2,6] d) {
            a = Conv(x, w1)   b = Gemm<transB=1>(y, w2)   c = Gemm(y, w3)   d = MatMul(y, w4)
        }""",
        {"w1": normal(3, 4, 3, 3), "w2": normal(5, 8), "w3": normal(8, 5), "w4": normal(8, 6)},
    )
    assert [p.axis for p in find_points(model.graph)[0]] == [0, 0, 1, 1]


def test_products_of_two_computed_tensors_stay_and_say_why() -> None:
    model = parse(
        "g (float[2,8] y, float[8,4] z) => (float[2,4] a, float[8,4] b) { a = MatMul(y, z)  b = MatMul(w, z) }",
        {"w": normal(8, 8)},
    )
    points, kept = find_points(model.graph)
    assert points == () and [d.why for d in kept] == ["both sides are computed", "its constant is on the left"]


def test_a_residual_sum_reads_codes_unless_a_normalisation_is_beside_it() -> None:
    model = parse(
        """g (float[2,8] x) => (float[2,8] a, float[2,8] d) {
            p = MatMul(x, w)   a = Add(p, x)   s = Add(x, p)   n = LayerNormalization(s, g)   d = MatMul(n, w)
        }""",
        {"w": normal(8, 8), "g": normal(8)},
    )
    assert [node.outputs[0].name for node, _ in readers_of_codes(model.graph.inputs[0])] == ["a"]


def test_a_product_inside_an_if_stays_and_says_why() -> None:
    model = parse(
        """g (bool c, float[2,8] x) => (float[2,8] y) {
            y = If(c) <then_branch = yes () => (float[2,8] a) { a = MatMul(x, w) },
                       else_branch = no () => (float[2,8] b) { b = Relu(x) }>
        }""",
        {"w": normal(8, 8)},
    )
    points, kept = find_points(model.graph)
    assert points == () and [row.why for row in kept] == [INSIDE]


def test_the_channels_of_the_data_are_those_that_are_summed() -> None:
    model = parse(
        """g (float[1,4,6,6] x, float[2,8] y, float[8,2] z) => (float[1,3,4,4] a, float[2,5] b, float[2,5] c) {
            a = Conv(x, w1)   b = Gemm<transB=1>(y, w2)   c = Gemm<transA=1>(z, w3)
        }""",
        {"w1": normal(3, 4, 3, 3), "w2": normal(5, 8), "w3": normal(8, 5)},
    )
    assert [p.channel_axis for p in find_points(model.graph)[0]] == [1, -1, 0]
