"""wants.py: what is computed for a Concat is computed in place, also behind views; layouts follow real strides."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.kernels.task import Loops, Program, each_launch
from tests.lower.test_lowering import check, model

PATCHES = {"w": (6, 3, 2, 2), "token": (1, 1, 6), "flat": np.array([0, 6, -1])}


def kinds(program: Program) -> list[type]:
    return [type(launch.kernel) for launch in each_launch(program.steps)]


def test_patches_are_computed_where_the_sequence_lies():
    program = check(
        model(
            """agraph (float[2,3,8,6] x) => (float[2,13,6] y) {
                p = Conv <strides=[2,2]> (x, w) r = Reshape (p, flat) t = Transpose <perm=[0,2,1]> (r)
                y = Concat <axis=1> (tokens, t) }""",
            {**PATCHES, "tokens": (2, 1, 6)},
        )
    )
    assert sorted(k.__name__ for k in kinds(program)) == ["Contraction", "Loops"]  # the other one copies the token


@pytest.mark.parametrize("batch", [1, 3])
def test_a_token_repeated_over_a_symbolic_batch_does_not_turn_the_layout(batch: int):
    program = check(
        model(
            """agraph (float[n,3,8,6] x) => (float[n,13,6] y) {
                p = Conv <strides=[2,2]> (x, w) r = Reshape (p, flat) t = Transpose <perm=[0,2,1]> (r)
                shape = Shape <start=0, end=1> (x) sizes = Concat <axis=0> (shape, rest)
                tokens = Expand (token, sizes) c = Concat <axis=1> (tokens, t)
                z = Relu (c) y = LayerNormalization (z, scale) }""",
            {**PATCHES, "rest": np.array([1, 6]), "scale": (6,)},
        ),
        {"n": batch},
    )
    (norm,) = [x.kernel for x in each_launch(program.steps) if "Layer" in x.name]
    assert isinstance(norm, Loops) and norm.domain[-1].extent == 6


def test_parts_that_others_read_through_another_view_are_right():
    check(
        model(
            """agraph (float[2,3,8,6] x) => (float[2,14,6] y, float[2,6,4,3] z) {
                p = Conv <strides=[2,2]> (x, w) r = Reshape (p, flat) t = Transpose <perm=[0,2,1]> (r)
                c = Concat <axis=1> (tokens, t, more) y = Relu (c) z = Sigmoid (p) }""",
            {**PATCHES, "tokens": (2, 1, 6), "more": (2, 1, 6)},
        )
    )


def test_two_concats_that_want_one_tensor_plain_and_through_a_view_both_have_it():
    check(
        model(
            """agraph (float[2,8] x) => (float[10,2] y, float[4,8] z) {
                r = Tanh (x) t = Transpose <perm=[1,0]> (r) m = MatMul (r, t)
                y = Concat <axis=0> (t, m) z = Concat <axis=0> (x, r) }""",
            {},
        )
    )


def test_a_part_that_stands_twice_is_copied():
    check(
        model(
            """agraph (float[2,3,4,4] x) => (float[2,8,6] y) {
                p = Conv <strides=[2,2]> (x, w) r = Reshape (p, flat) t = Transpose <perm=[0,2,1]> (r)
                c = Concat <axis=1> (t, t) y = Relu (c) }""",
            PATCHES,
        )
    )


def test_a_part_that_is_the_front_of_something_longer_is_copied():
    check(
        model(
            """agraph (float[1,3,4,6] x) => (float[1,9,12] y) {
                p = Conv (x, w) h = Tanh (p) r = Reshape (h, flat) t = Transpose <perm=[0,2,1]> (r)
                u = Transpose <perm=[0,2,1]> (t) front = Slice (u, zero, four, two) c = Concat <axis=2> (front, rest)
                y = Relu (c) }""",
            {
                "w": (9, 3, 1, 1),
                "flat": np.array([0, 9, -1]),
                "rest": (1, 9, 8),
                "zero": np.array([0]),
                "four": np.array([4]),
                "two": np.array([2]),
            },
        )
    )
