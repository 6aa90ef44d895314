"""Two data sets: what the second one clips in the ranges of the first, against numpy over all numbers."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.calibration import calibrate, compare
from burnish.calibration.reports.compare_samples import Comparison, parse_share
from burnish.errors import BurnishError
from tests.calibration.reports.models import product, rows

BATCH = "1:64:64"


def compared(*data: list[np.ndarray], method: str = "minmax", allowed: str | None = None) -> Comparison:
    return compare(product(), *data, method=method, batch=BATCH, threads=1, max_clipped=allowed)


@pytest.mark.parametrize("method", ["minmax", "entropy", "percentile:99"])
def test_shares_and_factors_are_those_of_numpy(method: str) -> None:
    day, night = rows(6), [sample * 1.4 for sample in rows(6, seed=1)]
    night[2][:, 7] *= 3
    (drift,) = compared(day, night, method=method).tensors
    (kept,) = calibrate(product(), day, method=method, batch=BATCH).tensors.values()
    assert drift.kept == kept
    outside = [np.abs(np.concatenate(data)) > kept.largest for data in (day, night)]
    assert drift.clipped_before == pytest.approx(outside[0].mean(), abs=2e-4)
    assert drift.clipped == pytest.approx(outside[1].mean(), abs=2e-4)
    assert drift.factor == pytest.approx(np.abs(np.concatenate(night)).max() / kept.largest, rel=1e-5)
    worst = drift.channels[0]
    assert worst.channel == 7 and worst.clipped == pytest.approx(outside[1][:, 7].mean(), rel=0.1)
    reached = [np.abs(np.concatenate(data)[:, 7]).max() for data in (day, night)]
    assert worst.factor == pytest.approx(reached[1] / reached[0], rel=1e-5)


def test_the_same_data_do_not_drift() -> None:
    found = compared(rows(6), rows(6), allowed="0%")
    assert found.is_accepted and not found.drifted and found.tensors[0].distance == 0
    found.check()
    assert "no tensor clips more" in found.verdict


def test_more_than_is_allowed_is_e750_and_names_the_tensor() -> None:
    day, night = rows(6), [sample * 2 for sample in rows(6)]
    assert compared(day, night).is_accepted and compared(day, night, allowed="50%").is_accepted
    found = compared(day, night, allowed="0.1%")
    assert not found.is_accepted and [t.name for t in found.refused] == ["x"]
    with pytest.raises(BurnishError, match="tensor 'x', which product reads") as caught:
        found.check()
    assert caught.value.code == "E750" and "2 times the range" in caught.value.why


def test_a_tensor_that_fills_little_of_its_range_is_told_but_not_refused() -> None:
    found = compared(rows(6), [sample / 10 for sample in rows(6)], allowed="0%")
    assert found.is_accepted and "it fills 10 % of its range" in found.drifted[0].told


def test_numbers_that_are_none_are_told() -> None:
    spoilt = [sample.copy() for sample in rows(6)]
    spoilt[1][0, 3], spoilt[2][0, 4] = np.nan, np.inf
    for data, which in (((rows(6), spoilt), "second"), ((spoilt, rows(6)), "first")):
        (drift,) = compared(*data).drifted
        assert drift.told.endswith(f"of the {which} data 2 are NaN or Inf, and were left out")


def test_negative_numbers_are_clipped_where_the_first_data_have_none() -> None:
    found = compared([np.abs(s) for s in rows(4)], rows(4))
    assert found.tensors[0].clipped == pytest.approx(0.5, abs=0.02)
    assert found.tensors[0].as_dict()["factor"] is None and found.tensors[0].factor == float("inf")


@pytest.mark.parametrize(
    ("given", "share"), [("0.1%", 0.001), (0.25, 0.25), ("1e-3", 0.001), ("0", 0.0), ("5 %", 0.05)]
)
def test_shares_are_read(given: float | str, share: float) -> None:
    assert parse_share(given) == pytest.approx(share)


@pytest.mark.parametrize("given", ["", "half", "200%", -0.1, "1.5", "0.1.2", True, None])
def test_what_is_no_share_is_e751(given: object) -> None:
    with pytest.raises(BurnishError) as caught:
        parse_share(given)  # type: ignore[arg-type]
    assert caught.value.code == "E751"


def test_what_is_to_be_known_of_both_data_sets_is_noted() -> None:
    first, second = rows(2), rows(2)
    first[0][0, 0] = np.nan
    found = compared(first, [sample * 0 for sample in second])
    assert found.notes == (
        "first data: x: 1 of 2048 numbers are NaN or Inf; they were left out",
        "second data: x was 0 in every sample",
    )
    assert found.as_dict()["notes"] == list(found.notes) and not compared(rows(2), rows(2)).notes
    one = compare(product(), [rows(1)[0][:1]], rows(2), batch="1:64:64", threads=1)
    assert one.notes == ("first data: one sample: the ranges are those of that sample",)
