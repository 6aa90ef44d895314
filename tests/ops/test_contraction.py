from __future__ import annotations

import numpy as np
import pytest

from burnish.errors import UserError

from .onnx_node import assert_same, ours

random = np.random.default_rng(3)


def normal(*shape):
    return random.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    ("a", "b"),
    [((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)), ((5, 2, 3), (3,)), ((3,), (5, 3, 2)), ((5, 1, 2, 3), (4, 3, 2))],
)
def test_matmul_of_vectors_and_batches(a, b):
    assert_same("MatMul", [normal(*a), normal(*b)])


def test_matmul_of_integers_is_exact():
    a = random.integers(-9, 9, (2, 3)).astype(np.int64) * 10**9
    assert_same("MatMul", [a, a.T.copy()])


@pytest.mark.parametrize("bias", [(), (4,), (3, 1), (3, 4)])
def test_gemm_broadcasts_its_bias(bias):
    assert_same("Gemm", [normal(5, 3), normal(4, 5), normal(*bias)], transA=1, transB=1, alpha=0.5, beta=2.0)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("bhid,bhjd->bhij", [(1, 2, 3, 4), (1, 2, 5, 4)]),
        ("...ij,...jk->...ik", [(2, 3, 4), (4, 2)]),
        ("ij", [(2, 3)]),
        ("ba", [(2, 3)]),
        ("i,j,k->kji", [(2,), (3,), (4,)]),
        ("ii->i", [(3, 3)]),
        ("ij->", [(2, 3)]),
    ],
)
def test_einsum(equation, shapes):
    operands = [normal(*s) for s in shapes]
    want = np.einsum(equation, *operands)
    (got,) = ours("Einsum", operands, equation=equation)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_inner_sizes_that_differ_are_refused():
    with pytest.raises(UserError, match=r"axis 1 of .* and axis 0 of .* are 3 and 4; they must be equal"):
        ours("MatMul", [normal(2, 3), normal(4, 2)])


def test_gemm_does_not_read_what_beta_takes_away():
    one = np.ones((1, 1), np.float32)
    assert ours("Gemm", [one, one, np.array([np.inf], np.float32)], beta=0.0)[0].tolist() == [[1.0]]


@pytest.mark.parametrize(("a", "b"), [((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)), ((5, 2, 3), (3,))])
def test_a_vector_of_codes_is_one_row_or_one_column(a, b):
    x, y = (random.integers(0, 256, shape).astype(np.uint8) for shape in (a, b))
    p, q = np.array(7, np.uint8), np.array([200], np.uint8)
    want = (x.astype(np.float64) - 7) @ (y.astype(np.float64) - 200)
    (got,) = ours("MatMulInteger", [x, y, p, q])
    np.testing.assert_array_equal(got, want)
    scales = [np.array(s, np.float32) for s in (0.5, [0.25], 64.0)]
    (got,) = ours("QLinearMatMul", [x, scales[0], p, y, scales[1], q, scales[2], np.array(9, np.uint8)])
    np.testing.assert_array_equal(got, np.clip(np.rint(want / 512) + 9, 0, 255))
