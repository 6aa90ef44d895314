"""Verify a plan that ranges quantised: judged against the quantised model, and its distance from the f32 model told.

The plan keeps its ranges, so the model can be quantised once more, as ONNX, and any oracle runs that. Codes that differ
by one where a sum lies on a tie are allowed for as in every quantised model (verification/tolerance.py).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import onnx

from burnish.calibration.quantised_model import quantised_model
from burnish.dims import evaluate
from burnish.plan import Manifest, Plan, is_plan, read
from burnish.precision.range_text import RANGES, parse_ranges
from burnish.verification import VerifyReport
from burnish.verification import verify as compare
from burnish.verification.data_sets import Data
from burnish.verification.verify_plan import Advance, Rebuild


def verify(
    model: str | os.PathLike[str],
    plan: str | os.PathLike[str] | Plan,
    *,
    data: Data | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    seed: int = 0,
    threads: int | None = None,
    device: str | None = None,
    oracle: str = "",
    tolerance: float | None = None,
    rebuild: Rebuild | None = None,
    progress: Advance | None = None,
) -> VerifyReport:
    """`burnish.verification.verify`, for plans of codes too; arguments and errors are that function's.

    rebuild: of a plan of codes it gets the quantised model, which says its codes by itself
    """
    run = partial(compare, data=data, shapes=shapes, seed=seed, threads=threads, device=device, oracle=oracle)
    judge = partial(run, tolerance=tolerance, rebuild=rebuild, progress=progress)
    if not isinstance(model, str | os.PathLike) or is_plan(model):
        return judge(model, plan)  # which refuses it
    found = plan if isinstance(plan, Plan) else read(plan)
    if RANGES not in found.blobs:
        return judge(model, found)
    ranges, layers = parse_ranges(bytes(found.blobs[RANGES])), found.manifest.options.get("precision_layers")
    config, profile = {"layers": layers} if layers else None, profile_of(found.manifest)
    precision = found.manifest.options["precision"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "quantised.onnx"
        proto = quantised_model(model, ranges, profile=profile, precision_config=config, precision=precision)
        onnx.save(proto, place, save_as_external_data=True, location="weights")
        report = judge(place, found)
    return replace(report, distance=run(model, found).cases)


def profile_of(manifest: Manifest) -> dict[str, Any]:
    """The (min, opt, max) shapes that a plan was built for, by input."""
    columns = [{s.name: getattr(s, kind) for s in manifest.symbols} for kind in ("min", "opt", "max")]
    return {t.name: tuple(tuple(evaluate(d, c) for d in t.shape) for c in columns) for t in manifest.inputs}
