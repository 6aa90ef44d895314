"""Do samples stand for a model's data? Run them, and say it of each tensor that int8 turns into codes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from burnish.building.guard import coded
from burnish.calibration.checkpoint import Tally
from burnish.calibration.find_ranges import Capture, Data, Progress, capturing, count_samples, notes_of
from burnish.calibration.preprocess import Preprocess, load_preprocess
from burnish.calibration.reports.tensor_report import MOVED, TensorReport, percent, report_tensor
from burnish.calibration.reports.watch_coverage import Coverage
from burnish.calibration.sample_shapes import prepare_for_samples
from burnish.calibration.thresholds import parse_method

FEWEST = 8  # runs, of which a range can be said to have settled


@dataclass(frozen=True)
class CalibrationReport:
    """samples: how many were run, in so many runs; tensors: in the order of the graph; notes: as `Ranges` has them."""

    model: str
    method: str
    samples: int
    runs: int
    tensors: tuple[TensorReport, ...]
    notes: tuple[str, ...]

    @property
    def settled(self) -> tuple[TensorReport, ...]:
        """The tensors whose ranges had settled by half of the samples."""
        return tuple(t for t in self.tensors if t.is_settled)

    @property
    def needed(self) -> int:
        """The number of samples since which no range has moved by MOVED."""
        return max((t.settled for t in self.tensors), default=0)

    @property
    def has_settled(self) -> bool:
        """Would fewer samples have given the same ranges?"""
        return self.runs >= FEWEST and len(self.settled) == len(self.tensors)

    @property
    def attention(self) -> tuple[TensorReport, ...]:
        """The tensors of which something needs attention, the gravest first."""
        found = [t for t in self.tensors if t.findings]
        return tuple(sorted(found, key=lambda t: -sum(finding.weight for finding in t.findings)))

    @property
    def verdict(self) -> str:
        """Whether the ranges have settled, in a sentence."""
        if not self.tensors:
            return "the model has no product that int8 could compute"
        if self.samples < FEWEST:
            return f"{self.samples} samples are too few to tell whether the ranges have settled"
        if self.runs < FEWEST:
            runs = f"in {self.runs} {'run' if self.runs == 1 else 'runs'}"
            return f"{self.samples} samples {runs} cannot tell whether the ranges have settled: let a run hold fewer"
        moved = f"moved by less than {percent(MOVED)} after sample {self.needed} of {self.samples}"
        if self.has_settled:
            share = percent(self.needed / self.samples)
            return f"settled: all ranges {moved}; {share} of the samples would have given the same ones"
        open_ones = len(self.tensors) - len(self.settled)
        return (
            f"not settled: {open_ones} of {len(self.tensors)} ranges still moved in the second half of the "
            f"{self.samples} samples: give more, or a method that clips"
        )

    def as_dict(self) -> dict[str, Any]:
        """As --json prints it."""
        return {
            "model": self.model,
            "method": self.method,
            "samples": self.samples,
            "runs": self.runs,
            "is_settled": self.has_settled,
            "settled_tensors": len(self.settled),
            "samples_needed": self.needed,
            "verdict": self.verdict,
            "notes": list(self.notes),
            "tensors": [t.as_dict() for t in self.tensors],
        }


@coded
def report(
    model: Any,
    data: Any,
    *,
    method: str = "entropy",
    shapes: Mapping[str, Any] | None = None,
    profile: Mapping[str, Any] | None = None,
    batch: Sequence[int] | str | None = None,
    threads: int | None = None,
    preprocess: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> CalibrationReport:
    """Run samples in f32, and say what calibration makes of them; arguments and errors are those of `calibrate`.

    Memory does not grow with the samples, but with the logarithm of their number: 8 KiB a tensor at each of 27 marks
    for 10,000 runs. Whether ranges have settled depends on the order of the samples: mix them.
    """
    parse_method(method)
    stated = None if preprocess is None else load_preprocess(preprocess)
    found, data, open_notes = prepare_for_samples(model, data, stated, shapes=shapes, profile=profile, batch=batch)
    with capturing(found, threads) as capture:
        seen = observe(capture, data, stated, progress)
    return CalibrationReport(
        found.imported.name,
        method,
        seen.tally.samples,
        seen.tally.runs,
        tuple(seen.report(name, method) for name in seen.tally.histograms),
        (*open_notes, *notes_of(seen.tally, capture.kept)),
    )


@dataclass(frozen=True)
class Observed:
    """What was counted of a data set."""

    tally: Tally
    coverage: Coverage
    readers: Mapping[str, Sequence[str]]

    def report(self, name: str, method: str) -> TensorReport:
        """Of one tensor."""
        histogram, channels = self.tally.histograms[name], self.coverage.channels[name]
        return report_tensor(name, self.readers[name], histogram, channels, self.coverage.marks, method)


def observe(capture: Capture, data: Any, stated: Preprocess | None, progress: Progress | None) -> Observed:
    """Run a data set and count it."""
    coverage, readers = Coverage(capture.points), dict[str, list[str]]()
    for point in capture.points:
        readers.setdefault(str(point.data.name), []).append(str(point.node.name))
    tally = count_samples(capture, Data(data, stated), progress or (lambda what, done, total: None), coverage)
    coverage.mark(tally)
    return Observed(tally, coverage, readers)
