"""How far a pruned model's answers are from the model's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from burnish.building import build
from burnish.calibration.gate.metrics import Answers, cosine, sqnr, top
from burnish.calibration.kept import Kept
from burnish.calibration.preprocess import load_preprocess
from burnish.calibration.samples import is_batched, open_samples, rows_of
from burnish.runtime import load
from burnish.sparsity.activity import Progress


@dataclass(frozen=True)
class Comparison:
    """cosine: mean of 1 - cosine; sqnr: in dB; top1: percent of samples whose largest score moved; ms: of a run."""

    samples: int
    cosine: float
    sqnr: float
    top1: float
    ms: float
    pruned_ms: float


def compare(
    model: Any,
    pruned: Any,
    data: Any,
    *,
    preprocess: Any = None,
    shapes: Mapping[str, Any] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Run both in f32 on the same samples, in turns; arguments as for `calibrate`."""
    stated = None if preprocess is None else load_preprocess(preprocess)
    answers, rows = (Kept(), Kept()), list[int]()
    times: tuple[list[float], ...] = ([], [])
    plans = [build(each, shapes=shapes) for each in (model, pruned)]
    with load(plans[0], threads=threads) as own, load(plans[1], threads=threads) as other:
        samples = open_samples(data, own.manifest.inputs, stated, own.manifest.symbols)
        has_rows = is_batched(own.manifest)
        for number, sample in enumerate(samples):
            rows.append(rows_of(sample, has_rows))
            if progress is not None:
                progress("compare", number, samples.count or 0)
            for engine, kept, ms in zip((own, other), answers, times, strict=True):
                start = perf_counter()
                outputs = engine(sample)
                ms.append((perf_counter() - start) * 1e3)
                kept.append({name: np.array(array) for name, array in outputs.items()})
    exact, ours = (Answers(outputs, rows=rows) for outputs in answers)
    middle, pruned_middle = (float(np.median(ms)) for ms in times)
    measured = (cosine(ours, exact), sqnr(ours, exact), top(1)(ours, exact, None))
    return Comparison(sum(rows), *measured, middle, pruned_middle)
