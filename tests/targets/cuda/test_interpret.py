"""The harness itself: it runs sources as Triton means them, and notices what a GPU would not."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.targets.cuda.source import Pointer, Size, Source, TensorMap, Workspace
from tests.targets.cuda.interpret import interpret

F32 = DType.F32


def source(body, *parameters, grid=(1, 1, 1)):
    lines = "\n".join("    " + line for line in body.strip().splitlines())
    return Source(f"@triton.jit\ndef kernel({', '.join(p.name for p in parameters)}):\n{lines}\n", parameters, grid)


COPY = """
i = tl.program_id(0) * 4 + tl.arange(0, 4)
tl.store(y + i, tl.load(x + i, mask=i < n) * 2, mask=i < n)
"""


def test_every_program_of_a_grid_that_shapes_decide_runs():
    n = symbol("n")
    kernel = source(COPY, Pointer("x", 0, F32), Pointer("y", 1, F32), Size("n", n), grid=((n + 3) // 4, 1, 1))
    x, y = np.arange(7, dtype=np.float32), np.full(9, -1, np.float32)
    interpret(kernel, {0: x, 1: y}, {"n": 7}, written={1})
    np.testing.assert_array_equal(y, [*(x * 2), -1, -1])


def test_an_access_outside_the_arrays_is_an_error():
    kernel = source(COPY, Pointer("x", 0, F32), Pointer("y", 1, F32), Size("n", 4))
    with pytest.raises(AssertionError, match="load outside the arrays"):
        interpret(kernel, {0: np.zeros(3, np.float32), 1: np.zeros(4, np.float32)})
    with pytest.raises(AssertionError, match="store outside the arrays"):
        interpret(kernel, {0: np.zeros(4, np.float32), 1: np.zeros(3, np.float32)})
    with pytest.raises(AssertionError, match="store outside the arrays"):
        interpret(kernel, {0: np.zeros(4, np.float32), 1: np.zeros(4, np.float32)}, written=set())


def test_lanes_that_a_mask_leaves_out_read_garbage():
    body = "i = tl.arange(0, 4)\ntl.store(y + i, tl.load(x + i, mask=i < 2))"
    y = np.zeros(4, np.float32)
    interpret(source(body, Pointer("x", 0, F32), Pointer("y", 1, F32)), {0: np.ones(4, np.float32), 1: y})
    np.testing.assert_array_equal(y, [1, 1, np.nan, np.nan])


def test_a_bfloat16_is_rounded_to_nearest_even():
    x = np.array([1.00390625, 1.01171875, 3.3e38, -0.1], np.float32)
    y = np.zeros(4, ml_dtypes.bfloat16)
    body = "i = tl.arange(0, 4)\ntl.store(y + i, tl.load(x + i).to(tl.bfloat16))"
    interpret(source(body, Pointer("x", 0, F32), Pointer("y", 1, DType.BF16)), {0: x, 1: y})
    np.testing.assert_array_equal(y, x.astype(ml_dtypes.bfloat16))


def test_a_tensor_map_reads_zeros_outside_and_takes_steps():
    x = np.arange(1, 41, dtype=np.float32).reshape(5, 8)
    tile = TensorMap("d", 0, F32, (5, 8), (8, 1), (4, 4), (2, 1))
    body = "v = d.load([-2, 4])\ni = tl.arange(0, 4)\ntl.store(y + i[:, None] * 4 + i[None, :], v)"
    y = np.zeros((4, 4), np.float32)
    interpret(source(body, tile, Pointer("y", 1, F32)), {0: x, 1: y}, written={1})
    want = np.zeros((4, 4), np.float32)
    want[1:] = x[0:5:2, 4:8]
    np.testing.assert_array_equal(y, want)


def test_a_tensor_map_stores_only_inside():
    y = np.full((3, 8), -1, np.float32)
    tile = TensorMap("d", 0, F32, (3, 8), (8, 1), (2, 4))
    interpret(source("d.store([2, 4], tl.full([2, 4], 5.0, tl.float32))", tile), {0: y})
    want = np.full((3, 8), -1, np.float32)
    want[2, 4:] = 5
    np.testing.assert_array_equal(y, want)


def test_a_workspace_is_there_and_zero_where_it_must_be():
    space = Workspace("w", F32, 16, zeroed=True)
    body = "i = tl.arange(0, 4)\ntl.store(y + i, tl.load(w + i) + 1.0)"
    y = np.zeros(4, np.float32)
    interpret(source(body, space, Pointer("y", 0, F32)), {0: y})
    np.testing.assert_array_equal(y, np.ones(4))


def test_a_reduction_by_any_function_is_a_fold():
    body = """
i = tl.arange(0, 4)
v = tl.load(x + i[:, None] * 4 + i[None, :])
tl.store(y + i[:, None], tl.reduce(v, 1, product, keep_dims=True))
tl.store(y + 4, tl.sum(tl.sum(v, 1), 0))
"""
    kernel = source(body, Pointer("x", 0, F32), Pointer("y", 1, F32))
    text = "@triton.jit\ndef product(a, b):\n    return a * b\n\n\n" + kernel.text
    x, y = np.arange(1, 17, dtype=np.float32).reshape(4, 4), np.zeros(5, np.float32)
    interpret(Source(text, kernel.parameters, (1, 1, 1)), {0: x, 1: y})
    np.testing.assert_array_equal(y, [*x.prod(1), x.sum()])


def test_a_loop_to_a_size_counts_in_tensors():
    body = """
i = tl.arange(0, 4)
total = tl.full([4], 0.0, tl.float32)
for k in range(0, n):
    total += tl.load(x + k.to(tl.int64) * 4 + i)
tl.store(y + i, total)
"""
    x, y = np.arange(12, dtype=np.float32), np.zeros(4, np.float32)
    kernel = source(body, Pointer("x", 0, F32), Pointer("y", 1, F32), Size("n", symbol("n")))
    interpret(kernel, {0: x, 1: y}, {"n": 3})
    np.testing.assert_array_equal(y, x.reshape(3, 4).sum(0))


def test_a_mask_that_depends_on_a_whole_program_lets_in_its_lanes():
    body = """
i = tl.arange(0, 8)[None, :]
tl.store(y + i, tl.load(x + i, mask=(i < 4) & (0 <= tl.program_id(0)), other=7.0))
"""
    x, y = np.arange(4, dtype=np.float32), np.zeros(8, np.float32)
    interpret(source(body, Pointer("x", 0, F32), Pointer("y", 1, F32)), {0: x, 1: y})
    np.testing.assert_array_equal(y, [0, 1, 2, 3, 7, 7, 7, 7])
