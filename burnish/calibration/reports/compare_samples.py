"""Two data sets: which tensors would the second one clip, if the ranges come from the first one?"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from burnish.building.guard import coded
from burnish.calibration.find_ranges import Progress, capturing, notes_of, tensor_notes
from burnish.calibration.preprocess import load_preprocess
from burnish.calibration.reports.report_samples import observe
from burnish.calibration.reports.tensor_drift import TensorDrift, drift_of
from burnish.calibration.reports.tensor_report import percent
from burnish.calibration.sample_shapes import prepare_for_samples
from burnish.calibration.thresholds import parse_method
from burnish.errors import UserError

_SHARE = re.compile(r"\s*([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*(%?)\s*")


@dataclass(frozen=True)
class Comparison:
    """samples: of the first data set, and of the second; tensors: in the order of the graph.

    max_clipped: the share by which a tensor may clip more in the second set than in the first; None: any
    notes: what a user must know of both data sets
    """

    model: str
    method: str
    samples: tuple[int, int]
    tensors: tuple[TensorDrift, ...]
    max_clipped: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def drifted(self) -> tuple[TensorDrift, ...]:
        """The tensors of which there is something to tell, those that clip most first."""
        return tuple(sorted((t for t in self.tensors if t.told), key=lambda t: (-t.excess, t.factor)))

    @property
    def refused(self) -> tuple[TensorDrift, ...]:
        """The tensors that clip more than is allowed."""
        limit = float("inf") if self.max_clipped is None else self.max_clipped
        return tuple(t for t in self.drifted if t.excess > limit)

    @property
    def is_accepted(self) -> bool:
        return not self.refused

    @property
    def verdict(self) -> str:
        """What the comparison found, in a sentence."""
        clipping = [t for t in self.drifted if t.excess > 0]
        if not clipping:
            return f"no tensor clips more in the second data than in the first, of {len(self.tensors)}"
        worst = clipping[0]
        more = f"{percent(worst.excess)} more of '{worst.name}'"
        return f"{len(clipping)} of {len(self.tensors)} tensors clip more in the second data: {more} at most"

    @property
    def failure(self) -> UserError | None:
        """E750 if a tensor clips more than is allowed."""
        if self.is_accepted:
            return None
        worst, allowed = self.refused[0], percent(self.max_clipped or 0.0)
        return UserError(
            "E750",
            f"{len(self.refused)} of {len(self.tensors)} tensors clip more of the second data than is allowed",
            where=f"tensor '{worst.name}', which {', '.join(worst.readers)} reads",
            why=f"{worst.told}; it may clip {allowed} more than of the first data",
            hint="calibrate with samples of both, or with a method that clips less",
        )

    def check(self) -> None:
        """Raise E750 if a tensor clips more than is allowed."""
        if self.failure is not None:
            raise self.failure

    def as_dict(self) -> dict[str, Any]:
        """As --json prints it."""
        return {
            "model": self.model,
            "method": self.method,
            "samples": list(self.samples),
            "is_accepted": self.is_accepted,
            "max_clipped": self.max_clipped,
            "refused": [t.name for t in self.refused],
            "verdict": self.verdict,
            "notes": list(self.notes),
            "tensors": [t.as_dict() for t in self.tensors],
        }


@coded
def compare(
    model: Any,
    data: Any,
    other: Any,
    *,
    max_clipped: float | str | None = None,
    method: str = "entropy",
    shapes: Mapping[str, Any] | None = None,
    profile: Mapping[str, Any] | None = None,
    batch: Sequence[int] | str | None = None,
    threads: int | None = None,
    preprocess: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Calibrate on one data set, and say what the other one would clip; further arguments as for `calibrate`.

    max_clipped: 0.001 or "0.1%": how much more of a tensor's numbers the second set may clip (`Comparison.check`)
    raises: E751 for a share that is none; the errors of `calibrate`
    """
    parse_method(method)
    limit = None if max_clipped is None else parse_share(max_clipped)
    stated = None if preprocess is None else load_preprocess(preprocess)
    found, data, open_notes = prepare_for_samples(model, data, stated, shapes=shapes, profile=profile, batch=batch)
    with capturing(found, threads) as capture:
        first, second = (observe(capture, source, stated, progress) for source in (data, other))
    drifts = (
        drift_of(
            name,
            first.readers[name],
            method,
            (first.tally.histograms[name], first.coverage.channels[name]),
            (second.tally.histograms[name], second.coverage.channels[name]),
        )
        for name in first.tally.histograms
    )
    samples = (first.tally.samples, second.tally.samples)
    notes = [f"first data: {line}" for line in (*open_notes, *notes_of(first.tally, capture.kept))]
    notes += [f"second data: {line}" for line in tensor_notes(second.tally)]
    return Comparison(found.imported.name, method, samples, tuple(drifts), limit, tuple(notes))


def parse_share(given: float | str) -> float:
    """0.001 from 0.001, "0.001" or "0.1%". E751 for anything else."""
    found = _SHARE.fullmatch(given) if isinstance(given, str) else None
    try:
        share = float(found[1]) / (100 if found[2] else 1) if found else float(given)
    except (TypeError, ValueError):
        share = float("nan")
    if isinstance(given, bool) or not 0 <= share <= 1:
        raise UserError("E751", f"{given!r} is no share", why="it is 0 to 1, or 0% to 100%", hint="0.1%, for one")
    return share
