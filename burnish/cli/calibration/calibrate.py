"""`burnish calibrate`: samples in, the ranges of a model's tensors out. `burnish build --int8 --calib` does it too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from burnish.cli.options import AsJson, Threads
from burnish.cli.output import note, print_facts, print_json
from burnish.cli.parse_shapes import parse_ranges, parse_shapes
from burnish.cli.progress import Advance, progress
from burnish.errors import UserError

if TYPE_CHECKING:
    from burnish.precision.precision_config import PrecisionConfig
    from burnish.precision.ranges import Ranges

Calib = Annotated[
    Path | None,
    typer.Option(
        "--calib",
        metavar="DATA",
        help="Samples for --int8 or --fp8: .npz, .npy, .csv, .wav, an image, or a folder of them; or a file of ranges, "
        "or a TensorRT calibration cache.",
    ),
]
Method = Annotated[
    str | None,
    typer.Option(
        "--calib-method",
        metavar="NAME",
        help="How to choose ranges: entropy (default), minmax (default for float8), mse, percentile:99.9; "
        "minmax+asymmetric and its like give signed tensors a zero point.",
    ),
]
CalibPreprocess = Annotated[
    Path | None,
    typer.Option(
        "--calib-preprocess",
        metavar="FILE",
        help="How images and audio become inputs: a .toml file, or a .py file with preprocess(path).",
    ),
]
SaveQuantised = Annotated[
    Path | None,
    typer.Option("--save-quantised", metavar="FILE", help="Also write the quantised model as ONNX, for other tools."),
]
Texts = list[str] | None
Shapes = Annotated[
    Texts, typer.Option("--shapes", metavar="SHAPES", help="Shapes of the samples: NAME:1x3x224x224,...")
]
Minimum = Annotated[Texts, typer.Option("--min", metavar="SHAPES", help="Smallest shapes.")]
Optimum = Annotated[Texts, typer.Option("--opt", metavar="SHAPES", help="Usual shapes.")]
Maximum = Annotated[Texts, typer.Option("--max", metavar="SHAPES", help="Largest shapes.")]
Batch = Annotated[str | None, typer.Option("--batch", metavar="MIN:OPT:MAX", help="As for build.")]


def calibrate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The ONNX model.", show_default=False)],
    data: Annotated[
        Path, typer.Option("--data", help="Samples: .npz, .npy, .csv, .wav, an image, or a folder of them.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write: MODEL.ranges.json, or a TensorRT FILE.cache.")
    ] = None,
    preprocess: CalibPreprocess = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            "--calib-cache",
            metavar="FILE",
            help="Keep the histograms here: an interrupted run goes on, and another method runs nothing again.",
        ),
    ] = None,
    method: Method = None,
    fp8: Annotated[bool, typer.Option("--fp8", help="Choose ranges for float8, not for int8.")] = False,
    shapes: Shapes = None,
    minimum: Minimum = None,
    optimum: Optimum = None,
    maximum: Maximum = None,
    batch: Batch = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Find the ranges of a model's tensors from samples, for int8 or float8."""
    from burnish.calibration import calibrate as find
    from burnish.calibration import save_ranges
    from burnish.calibration.tensorrt_cache import names_cache, no_zero_points
    from burnish.calibration.thresholds import parse_method
    from burnish.precision.words import FP8, INT8

    bounds = bounds_of(shapes, minimum, optimum, maximum, batch)
    path = output or model.with_suffix(".ranges.json")
    if method is not None and names_cache(path) and parse_method(method).is_asymmetric:
        raise no_zero_points(path)
    replaced = "" if output is not None else _replaced(path)
    how: dict[str, Any] = {
        "method": method,
        "precision": FP8 if fp8 else INT8,
        "preprocess": preprocess,
        "cache": cache,
    }
    with progress() as advance:
        found = find(model, data, threads=threads, progress=advance, **how, **bounds)
    save_ranges(found, path)
    if replaced:
        note(f"{path} is replaced; it held {replaced}")
    facts = {"ranges": str(path), "tensors": len(found.tensors), "samples": found.samples, "method": found.method}
    if as_json:
        print_json({**facts, "notes": list(found.notes)})
        return
    print_facts({**{k: str(v) for k, v in facts.items()}, **({"notes": "\n".join(found.notes)} if found.notes else {})})


def bounds_of(shapes: Texts, minimum: Texts, optimum: Texts, maximum: Texts, batch: str | None) -> dict[str, Any]:
    """`shapes`, `profile` and `batch` of a build, from the options."""
    names = ("--min", "--opt", "--max")
    return {
        "shapes": parse_shapes(shapes or ()) or None,
        "profile": parse_ranges(minimum or (), optimum or (), maximum or (), names) or None,
        "batch": batch,
    }


def _replaced(path: Path) -> str:
    """What the file holds that lies where nobody said to write. E752 if it cannot be made again from samples alone."""
    from burnish.calibration import load_ranges

    if not path.exists():
        return ""
    hint = "-o FILE names another file, or this one if it is to be replaced"
    try:
        before = load_ranges(path)
    except UserError as error:
        raise UserError(
            "E752", f"{path} is in the way", why="it holds something else than ranges", hint=hint
        ) from error
    if before.kept or before.accuracy is not None:
        why = "it holds the layers that burnish accuracy has measured and raised to f32"
        raise UserError("E752", f"{path} is in the way", why=why, hint=hint)
    return f"the ranges of {len(before.tensors)} tensors from {before.samples} samples ({before.method})"


def ranges_for_build(
    model: Path,
    calib: Path | None,
    preprocess: Path | None,
    method: str | None,
    save: Path | None,
    config: PrecisionConfig,
    precision: str,
    bounds: dict[str, Any],
    advance: Advance,
) -> Ranges | None:
    """The ranges of `--calib`: read from a file of ranges, or found from samples. None without it.

    save: a file for the quantised model; config: the precision configuration that it keeps to
    precision: of the build
    """
    if calib is None:
        for option, value in (("--save-quantised", save), ("--calib-preprocess", preprocess)):
            if value is not None:
                why, hint = "nothing is quantised", "add --int8 --calib DATA, or leave it out"
                raise UserError("E622", f"{option} has no effect here", why=why, hint=hint)
        return None
    from burnish.calibration import calibrate as find
    from burnish.calibration import is_range_file, load_ranges, quantised_model, save_model
    from burnish.precision.words import INT8, kind_of

    codes = precision if kind_of(precision) else INT8  # a configuration may ask for codes, too
    shapes = {name: bounds[name] for name in ("shapes", "profile", "batch")}
    if is_range_file(calib):
        if preprocess is not None:
            why, hint = f"{calib} holds ranges, and no samples are read", "leave it out, or give the samples"
            raise UserError("E622", "--calib-preprocess has no effect here", why=why, hint=hint)
        found = load_ranges(calib)
    else:
        how: dict[str, Any] = {
            "method": method,
            "precision": codes,
            "precision_config": config,
            "preprocess": preprocess,
        }
        found = find(model, calib, progress=advance, **how, **shapes)
    if save is not None:
        proto = quantised_model(model, found, **shapes, precision_config=config, precision=precision)
        save_model(proto, save)
    return found
