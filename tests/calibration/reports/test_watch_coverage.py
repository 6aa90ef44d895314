"""Marks stand at numbers of runs that grow, and the last one can be set at any time."""

from __future__ import annotations

import itertools

import numpy as np

from burnish.calibration.checkpoint import Tally
from burnish.calibration.histogram import Histogram
from burnish.calibration.reports.watch_coverage import Coverage


def test_marks_grow_by_the_root_of_two_and_keep_what_was_known_then() -> None:
    coverage, tally = Coverage(()), Tally("", {"x": Histogram()})
    for run in range(1, 1001):
        tally.histograms["x"].add(np.array([float(run)], np.float32))
        tally.runs, tally.samples = run, 4 * run
        coverage.end(tally)
    coverage.mark(tally)
    coverage.mark(tally)  # the same number of samples again
    marks = [mark.samples // 4 for mark in coverage.marks]
    assert marks[:4] == [1, 2, 3, 5]
    assert marks[-1] == 1000 and len(marks) <= 22 and len(set(marks)) == len(marks)
    assert all(after <= 2**0.5 * before + 1 for before, after in itertools.pairwise(marks))
    assert [mark.tensors["x"].largest for mark in coverage.marks] == marks
