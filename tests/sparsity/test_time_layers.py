"""time_layers.py: products of few rows are timed with their zeros and without, and what a build does is told."""

from __future__ import annotations

import pytest

from burnish.kernels import mark_zeros
from burnish.sparsity import time_products
from burnish.target import Target
from tests.kernels.test_mark_zeros import product
from tests.targets.cpu.run_kernel import runnable

needs_v4 = pytest.mark.skipif(not runnable(Target("cpu", "x86-64-v4")), reason="this machine lacks AVX-512")


@needs_v4
@pytest.mark.parametrize("least, taken", [(0, True), (mark_zeros.LEAST_BYTES, False)])
def test_a_product_is_timed_both_ways_and_a_small_model_keeps_its_zeros(monkeypatch, least, taken):
    monkeypatch.setattr("burnish.sparsity.time_layers.LEAST_BYTES", least)
    found = time_products(product(1, 0.6), threads=1)
    (gain,) = found.layers
    assert found.is_able and found.constant_bytes > 256 * 330 * 4 and found.least_bytes == least
    assert gain.rows == 1 and 0.5 <= gain.zeros <= 0.6 and gain.taken == taken
    assert 0.1 < gain.dense_us < 1e5 and 0.1 < gain.sparse_us < 1e5


@needs_v4
def test_products_of_many_rows_and_weights_of_few_zeros_are_not_timed():
    assert not time_products(product(64, 0.9), threads=1).layers
    assert not time_products(product(1, 0.1), threads=1).layers


def test_a_machine_without_the_instruction_is_told(monkeypatch):
    monkeypatch.setattr("burnish.sparsity.time_layers.best_target", lambda: Target("cpu", "x86-64-v3"))
    found = time_products(product(1, 0.9))
    assert not found.is_able and not found.layers and found.target == "cpu:x86-64-v3"
