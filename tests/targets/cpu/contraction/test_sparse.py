"""sparse.py: where weights without their zeros are chosen, and how they lie in memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.kernels.task import Contraction
from burnish.target import Target
from burnish.targets.cpu.contraction import sparse
from burnish.targets.cpu.contraction import template as contraction
from burnish.targets.cpu.contraction.options import ContractionOptions
from tests.targets.cpu.contractions import matmul

V4 = Target("cpu", "x86-64-v4")


def kernel_of(m: int, n: int, k: int, zeros: int, symbols: tuple[str, ...] = ()) -> Contraction:
    kernel = matmul(m, n, k, symbols=symbols).kernel
    a, b, *others = kernel.slots
    return replace(kernel, slots=(a, replace(b, zeros=zeros), *others))


@pytest.mark.parametrize(
    ("m", "zeros", "is_chosen"),
    [(1, 4, True), (1, 8, True), (4, 8, True), (5, 14, True), (8, 8, False), (8, 15, False), (4, 0, False)],
)
def test_it_is_chosen_where_it_was_measured_faster(m: int, zeros: int, is_chosen: bool) -> None:
    """Eight rows were not, however few weights are left: products take the time."""
    found = contraction.schedules(kernel_of(m, 3072, 768, zeros), V4)
    assert (found[0]["form"] == "sparse") == is_chosen
    assert any(s["form"] == "sparse" for s in found) == (zeros > 0), "a tuner measures it"


@pytest.mark.parametrize(("m", "is_chosen"), [(1, True), (4, False)])
def test_halves_are_half_as_much_to_read_so_that_it_pays_for_fewer_rows(m: int, is_chosen: bool) -> None:
    kernel = kernel_of(m, 3072, 768, 8)
    a, b, *others = kernel.slots
    halves = replace(kernel, slots=(a, replace(b, dtype=DType.BF16), *others))
    assert (contraction.schedules(halves, V4)[0]["form"] == "sparse") == is_chosen


def test_many_rows_are_never_sparse() -> None:
    assert all(s["form"] != "sparse" for s in contraction.schedules(kernel_of(16, 640, 64, 14), V4))


def test_a_number_of_rows_that_is_not_known_gets_tiles_of_several_sizes_and_a_panel_in_memory() -> None:
    kernel = kernel_of(2, 640, 64, 8, symbols=("m",))
    best = contraction.schedules(kernel, V4, {"m": 2})[0]
    options = ContractionOptions.read(best)
    assert options.form == "sparse" and options.rows > sparse.few_rows(options.vectors)
    assert sparse.tile_sizes(options) == (options.rows, 8, 4, 2, 1)
    assert contraction.scratch_bytes(kernel, best) == 64 * options.width * 4
    few = contraction.schedules(kernel_of(2, 640, 64, 8), V4)[0]
    assert contraction.scratch_bytes(kernel, few) == 0


@pytest.mark.parametrize("vectors", [1, 2, 3, 4, 6, 8])
def test_sums_and_vectors_fit_into_registers(vectors: int) -> None:
    assert 1 <= sparse.few_rows(vectors) <= 8
    assert (sparse.few_rows(vectors) + 1) * vectors + 1 <= 32


def test_a_panel_is_its_masks_and_then_its_numbers() -> None:
    kernel = kernel_of(1, 40, 3, 8)
    schedule = next(s for s in contraction.schedules(kernel, V4) if s["form"] == "sparse" and s["vectors"] == 2)
    weights = np.zeros((3, 40), np.float32)
    weights[0, [1, 15, 16]] = 1, 2, 3
    weights[2, 33], weights[1, 39] = 4, -0.0
    packed = contraction.pack(kernel, schedule, 1, weights)
    first, second = packed[:16].view(np.int64)
    assert packed[first : first + 12].view(np.uint16).tolist() == [0x8002, 1, 0, 0, 0, 0]
    assert packed[second : second + 12].view(np.uint16).tolist() == [0, 0, 1 << 7, 0, 2, 0]
    numbers = packed[first + 64 :][:12].view(np.float32).tolist(), packed[second + 64 :][:8].view(np.float32).tolist()
    assert numbers == ([1, 2, 3], [-0.0, 4])
    assert len(packed) >= second + 64 + 8 + 64 and first % 64 == second % 64 == 0
