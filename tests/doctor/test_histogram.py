"""Histograms of a boundary's numbers."""

from __future__ import annotations

import pytest

from burnish.precision.ranges import Range
from tests.doctor.planted import CPU, DATA, Surgery, fitting_ranges, mlp
from tests.doctor.test_tasks import exact_of


def test_every_number_of_the_worst_tensor_is_counted_and_its_range_told(surgery: Surgery) -> None:
    model = mlp()
    planted = fitting_ranges(model, b=Range(0.0, 0.3))
    picture = surgery.diagnose(model, DATA[:1], CPU, precision="int8", ranges=planted, remedy=False).picture
    b = exact_of(model, DATA[0])["b"]
    assert picture is not None and picture.tensor == "b"
    assert sum(picture.exact) == sum(picture.plan) == b.size
    assert (picture.low, picture.high) == (0.0, pytest.approx(0.3)) and picture.edges[-1] == pytest.approx(b.max())
    beyond = [n for low, n in zip(picture.edges, picture.plan) if low > 0.36]
    assert sum(beyond) == 0 < sum(n for low, n in zip(picture.edges, picture.exact) if low > 0.36)


def test_floats_have_no_range(surgery: Surgery) -> None:
    picture = surgery.diagnose(mlp(), DATA[:1], CPU, precision="fp16").picture
    assert picture is not None and picture.low is None and sum(picture.exact) > 0
