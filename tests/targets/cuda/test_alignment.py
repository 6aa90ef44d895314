"""alignment.py: a kernel assumes of addresses what holds in all its launches, and no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from burnish.dims import Dim, symbol
from burnish.dtypes import DType
from burnish.kernels.task import Binding, Launch
from burnish.targets.cuda.alignment import is_possible, promise, slot_alignments
from burnish.targets.cuda.source import Pointer, Size, Source, TensorMap
from tests.targets.cpu.programs import pointwise

N = symbol("n")
LAUNCH = pointwise(lambda a: a + a, 0, 1, n=64)
KEY = LAUNCH.kernel.key


def launch(first: Dim, second: Dim = 0) -> Launch:
    return replace(LAUNCH, bindings=(Binding(0, first), Binding(1, second)))


@pytest.mark.parametrize(
    ("offset", "bytes_"), [(0, 16), (4, 16), (2, 8), (3, 4), (N * 4, 16), (N, 4), (N * 4 + 2, 8), (64 * N + 1, 4)]
)
def test_an_offset_in_elements_decides_what_divides_the_address(offset: Dim, bytes_: int):
    assert slot_alignments([launch(offset)]) == {KEY: (bytes_, 16)}


def test_a_kernel_may_assume_what_holds_in_all_its_launches():
    assert slot_alignments([launch(0, 2), launch(1), launch(8, 8)]) == {KEY: (4, 8)}


def test_pointers_promise_no_more_than_is_so_and_maps_begin_where_they_can():
    pointers = Pointer("x", 0, DType.F32), Pointer("y", 1, DType.F32), Size("n", 3)
    source = Source("", pointers, (1, 1, 1))
    x, y, n = promise(source, (4, 16)).parameters
    assert (x.divisible, y.divisible, n) == (4, 16, pointers[2])  # type: ignore[union-attr]
    box = TensorMap("x", 0, DType.F32, (4, 4), (4, 1), (4, 4))
    assert is_possible(source, (4, 4))
    assert [is_possible(replace(source, parameters=(box,)), a) for a in ((16, 4), (8, 16))] == [True, False]
