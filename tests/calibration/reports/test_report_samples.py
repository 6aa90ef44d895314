"""The report on planted data: what has settled, what clips, which channels stand out; memory and cost stay bounded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from burnish.calibration import calibrate, report
from burnish.calibration.reports.report_samples import CalibrationReport
from burnish.errors import BurnishError
from tests.calibration.reports.models import product, rows

Array = np.ndarray
BATCH = "1:64:64"


def found(samples: list[Array] | Iterator[Array], method: str = "minmax") -> CalibrationReport:
    return report(product(), samples, method=method, batch=BATCH, threads=1)


def test_ranges_are_those_of_calibrate_and_samples_are_counted_in_rows() -> None:
    for method in ("entropy", "percentile:99"):
        samples = rows(9)
        ranges = calibrate(product(), samples, method=method, batch=BATCH, threads=1)
        own = found(samples, method)
        assert {t.name: t.kept for t in own.tensors} == dict(ranges.tensors)
        assert own.samples == ranges.samples == 9 * 64


def test_samples_that_are_alike_have_settled_early() -> None:
    samples = [np.tile(np.linspace(-1, 1, 16, dtype=np.float32), (64, 1))] * 40
    own = found(samples)
    assert own.has_settled and own.needed == 64 and "2.5 % of the samples" in own.verdict


def test_a_range_that_grows_until_the_end_has_not_settled() -> None:
    samples = [rows(1)[0] * (1 + n / 10) for n in range(20)]
    (tensor,) = found(samples).tensors
    assert tensor.settled == 20 * 64 and not tensor.is_settled
    assert "still moved at sample 1280 of 1280" in tensor.findings[0].text
    largest = np.maximum.accumulate([np.abs(s).max() for s in samples])
    assert [s.largest for s in tensor.steps] == [pytest.approx(largest[s.samples // 64 - 1]) for s in tensor.steps]


def test_the_last_jump_is_the_sample_at_which_it_settled() -> None:
    samples = rows(64)
    samples[15][0, 0] = 30.0  # from the 16th run on nothing moves a min-max range
    (tensor,) = found(samples).tensors
    assert 16 * 64 <= tensor.settled <= 23 * 64 and tensor.is_settled


def test_outlier_dead_and_clipping_channels_are_named() -> None:
    samples = rows(10)
    for sample in samples:
        sample[:, 3] *= 100
        sample[:, 5] = 0.25
    (tensor,) = found(samples).tensors
    assert [c.channel for c in tensor.outliers] == [3] and tensor.outliers[0].factor == pytest.approx(100, rel=0.1)
    assert tensor.dead == (5,) and not tensor.clipping and tensor.clipped == 0
    kinds = {f.kind for f in tensor.findings}
    assert {"outlier channels", "dead channels", "few codes"} <= kinds  # 0.3 % of the range holds the other channels
    (clipped,) = found(samples, "percentile:95").tensors
    everything = np.concatenate(samples)
    outside = np.abs(everything) > clipped.kept.largest
    assert [c.channel for c in clipped.clipping] == [3]
    assert clipped.clipped == pytest.approx(outside.mean(), rel=0.02)
    assert clipped.clipping[0].share == pytest.approx(outside[:, 3].mean(), rel=0.05)


def test_numbers_that_are_not_finite_are_told() -> None:
    samples = rows(3)
    samples[1][0, :4] = np.nan
    (tensor,) = found(samples).tensors
    assert tensor.bad == 4 and tensor.findings[0].kind == "not finite"


def test_few_samples_cannot_tell_whether_ranges_have_settled() -> None:
    own = report(product(), rows(1)[0][:4], batch="1:1:1", threads=1)
    assert not own.has_settled and "4 samples are too few" in own.verdict
    own = found(rows(3))
    assert (own.samples, own.runs) == (192, 3) and not own.has_settled
    assert "192 samples in 3 runs cannot tell" in own.verdict and own.as_dict()["runs"] == 3


def test_what_is_kept_grows_with_the_logarithm_of_the_runs() -> None:
    own = report(product(), (rows(1)[0][:1] for _ in range(1500)), method="minmax", batch="1:1:1", threads=1)
    assert own.samples == 1500 and len(own.tensors[0].steps) <= 24


def test_the_errors_are_those_of_calibrate() -> None:
    for data, method, code in (([], "entropy", "E721"), (rows(1), "guess", "E723"), ([np.zeros(3)], "mse", "E722")):
        with pytest.raises(BurnishError) as caught:
            report(product(), data, method=method, batch=BATCH)
        assert caught.value.code == code
