"""`burnish accuracy`: measure int8 against f32, and raise layers until an error budget is met."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from burnish.cli.calibration.calibrate import CalibPreprocess, Shapes
from burnish.cli.options import AsJson, Threads
from burnish.cli.output import note, print_facts, print_json, print_table
from burnish.cli.parse_shapes import parse_shapes
from burnish.cli.progress import progress
from burnish.errors import UserError

if TYPE_CHECKING:
    from burnish.precision.ranges import Accuracy, Ranges

_Labels = Annotated[Path | None, typer.Option("--labels", help="A label for each sample (.npy), for top1.")]


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
    max_error: Annotated[
        str, typer.Option("--max-error", help="What is allowed: cos=1e-3, sqnr=30dB, psnr=40dB or top1=0.5%.")
    ],
    labels: _Labels = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write (default: RANGES).")] = None,
    preprocess: CalibPreprocess = None,
    shapes: Shapes = None,
    batch: Annotated[str | None, typer.Option("--batch", metavar="MIN:OPT:MAX", help="As for build.")] = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Measure a model in int8 against f32, and raise layers to f32 until the budget is met."""
    from burnish.calibration import is_cache, load_ranges, meet_budget, save_ranges
    from burnish.cli.tensor_files import read_tensor

    path = output or ranges
    if is_cache(path) or path.suffix == ".cache":
        why, hint = "a TensorRT calibration cache has no place for the layers that stay f32", "-o FILE.json"
        raise UserError("E622", f"the result cannot be kept in {path}", why=why, hint=hint)
    given = load_ranges(ranges)
    marks = None if labels is None else read_tensor(labels)
    bounds = parse_shapes(shapes or ()) or None
    with progress() as advance:
        found = meet_budget(
            model,
            given,
            data,
            max_error,
            labels=marks,
            preprocess=preprocess,
            shapes=bounds,
            batch=batch,
            threads=threads,
            progress=advance,
        )
    save_ranges(found, path)
    _print(found, path, as_json)


def _print(found: Ranges, path: Path, as_json: bool) -> None:
    assert found.accuracy is not None
    if as_json:
        print_json({"ranges": str(path), "kept": sorted(found.kept), "accuracy": asdict(found.accuracy)})
        return
    print_facts(summary(found.accuracy) | {"in f32": ", ".join(sorted(found.kept)) or "no layer", "ranges": str(path)})
    if not found.accuracy.layers:
        note("all layers in int8 meet the budget, so none was measured alone")
        return
    rows = [
        (x.layer, x.form, "" if x.alone is None else f"{x.alone:.3g}", f"{x.saved_ms:.4f}")
        for x in found.accuracy.layers
    ]
    print_table(("layer", "form", "error alone>", "int8 saves ms>"), rows)


def summary(accuracy: Accuracy) -> dict[str, str]:
    """The budget and what was measured, for people."""
    return {
        "budget": f"{accuracy.metric} {accuracy.limit:.4g}",
        "measured": f"{accuracy.found:.4g} on {accuracy.samples} samples",
        "all in int8": f"{accuracy.all_int8:.4g}",
    }
