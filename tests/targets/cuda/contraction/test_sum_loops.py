"""Loops over the products of a sum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from burnish.dims import symbol
from burnish.target import parse_target
from burnish.targets.cuda.contraction import template as contraction
from burnish.targets.cuda.contraction.pack import pack
from burnish.targets.cuda.contraction.sum_loops import Loop, loops_of
from burnish.targets.cuda.contraction.tile import Tile
from tests.targets.cuda.contraction_tasks import added, convolution, matmul

H200 = parse_target("cuda:sm_90a")
EVEN = added(matmul(4096, 256, 128, bias=True), matmul(4096, 256, 256))
UNEVEN = added(convolution(8, 64, (28, 28), 256, (3, 3), pads=(1, 1)), convolution(8, 128, (28, 28), 256, (1, 1)))


def test_one_product_is_one_loop():
    steps = symbol("steps")
    assert loops_of([7]) == (Loop(7, ((0, 1),)),)
    assert loops_of([steps]) == (Loop(steps, ((0, 1),)),)


def test_products_whose_steps_come_out_even_share_a_loop():
    assert loops_of([4, 2]) == (Loop(2, ((0, 2), (1, 1))),)
    assert loops_of([1, 1, 1]) == (Loop(1, ((0, 1), (1, 1), (2, 1))),)


@pytest.mark.parametrize("steps", [[9, 2], [9, 1], [symbol("steps"), 2]])
def test_others_have_a_loop_each(steps):
    assert loops_of(steps) == (Loop(steps[0], ((0, 1),)), Loop(steps[1], ((1, 1),)))


def test_products_that_could_share_a_loop_need_not():
    assert loops_of([4, 2], apart=True) == (Loop(4, ((0, 1),)), Loop(2, ((1, 1),)))
    found = [Tile.read(s) for s in contraction.schedules(EVEN, H200, {})]
    assert {tile.apart for tile in found} == {False, True}


def test_only_one_loop_persists():
    tile = Tile("copy", 128, 128, 64, swap=True, stages=2, persistent=1)
    assert contraction.legal(EVEN, tile.schedule, H200)
    uneven = Tile("copy", 128, 128, 64, box=(4, 4, 8), swap=True, stages=2)
    assert contraction.legal(UNEVEN, uneven.schedule, H200)
    assert not contraction.legal(UNEVEN, replace(uneven, persistent=1).schedule, H200)


def test_a_single_product_is_never_apart():
    kernel = matmul(64, 64, 64)
    assert all("apart" not in dict(s.options) for s in contraction.schedules(kernel, H200, {}))
    assert not contraction.legal(kernel, Tile("copy", 64, 64, 64, stages=1, apart=True).schedule, H200)


def test_each_products_constant_is_packed_by_its_own_depth():
    kernel = added(matmul(8, 3, 5), matmul(8, 3, 20))
    schedule = Tile("load", 16, 16, 16).schedule
    shapes = [pack(kernel, schedule, t.b, np.ones((k, 3), np.float16)).shape for t, k in zip(kernel.terms, (5, 20))]
    assert shapes == [(1, 16, 16), (1, 16, 32)]
    bias = np.ones(3, np.float32)
    assert pack(kernel, schedule, 2, bias) is bias
