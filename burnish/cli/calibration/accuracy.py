"""`burnish accuracy`: measure int8 against f32, and raise layers until an error budget is met."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.calibration.calibrate import Batch, CalibPreprocess, Shapes
from burnish.cli.calibration.gate_options import Curve, Decode, Labels, MaxError
from burnish.cli.calibration.show_accuracy import draw, show_accuracy
from burnish.cli.options import AsJson, Threads
from burnish.cli.output import print_json
from burnish.cli.parse_shapes import parse_shapes
from burnish.cli.progress import progress
from burnish.errors import UserError


def accuracy(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The ONNX model.", show_default=False)],
    ranges: Annotated[
        Path,
        typer.Argument(
            metavar="RANGES", help="Its file of ranges, which burnish calibrate writes.", show_default=False
        ),
    ],
    data: Annotated[
        Path,
        typer.Option("--data", help="Samples to measure with, other ones than those that the ranges come from."),
    ],
    max_error: MaxError,
    labels: Labels = None,
    decode: Decode = None,
    curve: Curve = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write (default: RANGES).")] = None,
    preprocess: CalibPreprocess = None,
    shapes: Shapes = None,
    batch: Batch = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Measure a model in int8 against f32, and raise layers to f32 until the budget is met."""
    from burnish.calibration import is_cache, load_ranges, meet_budget, save_ranges

    path = output or ranges
    if is_cache(path) or path.suffix == ".cache":
        why, hint = "a TensorRT calibration cache has no place for the layers that stay f32", "-o FILE.json"
        raise UserError("E622", f"the result cannot be kept in {path}", why=why, hint=hint)
    with progress() as advance:
        found = meet_budget(
            model,
            load_ranges(ranges),
            data,
            max_error,
            labels=labels,
            decode=decode,
            preprocess=preprocess,
            shapes=parse_shapes(shapes or ()) or None,
            batch=batch,
            threads=threads,
            progress=advance,
        )
    assert found.accuracy is not None, "the gate has measured it"
    save_ranges(found, path)
    if curve is not None:
        draw(found.accuracy, curve, model.stem)
    if as_json:
        print_json({"ranges": str(path), "kept": sorted(found.kept), "accuracy": found.accuracy.as_dict})
        return
    show_accuracy(found.accuracy, {"ranges": str(path)})
