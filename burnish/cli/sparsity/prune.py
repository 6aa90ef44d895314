"""`burnish prune`: make weights zero by a pattern, or take channels out, and say what that costs in accuracy."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from burnish.cli.calibration.calibrate import CalibPreprocess, Shapes
from burnish.cli.options import AsJson, Threads
from burnish.cli.output import note, print_facts, print_json, print_table
from burnish.cli.parse_shapes import parse_shapes
from burnish.cli.progress import progress

if TYPE_CHECKING:
    from burnish.sparsity import Comparison


def prune(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The ONNX model.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The ONNX file to write.")],
    pattern: Annotated[str, typer.Option("--pattern", help="2:4, channels or unstructured.")],
    share: Annotated[
        float | None,
        typer.Option("--share", help="Of each layer's weights or channels, between 0 and 1 (default: half)."),
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option("--keep", metavar="PATTERN", help="Layers that stay as they are, by name.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Samples that say which weights matter: as for calibrate.")
    ] = None,
    compare_data: Annotated[
        Path | None, typer.Option("--compare", metavar="DATA", help="Other samples, to measure the accuracy with.")
    ] = None,
    preprocess: CalibPreprocess = None,
    shapes: Shapes = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Prune a model's weights without training, and report what changed."""
    from burnish.calibration import save_model
    from burnish.plan import check_place
    from burnish.sparsity import compare
    from burnish.sparsity import prune as prune_model

    check_place(output)
    bounds = parse_shapes(shapes or ()) or None
    own: dict[str, Any] = {"preprocess": preprocess, "shapes": bounds, "threads": threads}
    with progress() as advance:
        found = prune_model(model, pattern, share=share, keep=keep or (), data=data, progress=advance, **own)
        measured = None
        if compare_data is not None:
            measured = compare(model, found.model, compare_data, progress=advance, **own)
    save_model(found.model, output)
    if as_json:
        told = {"output": str(output), "layers": dict(found.layers), "notes": list(found.notes)}
        print_json(told | ({} if measured is None else {"accuracy": asdict(measured)}))
        return
    print_table(("layer", "result"), found.layers)
    print_facts({"written": str(output), **({} if measured is None else _facts(measured))})
    for line in found.notes:
        note(line)
    if pattern != "channels":
        note(f"products of few rows may be faster on CPUs: burnish inspect sparsity {output} --measure times them")
    if measured is None:
        note("the accuracy was not measured: give samples with --compare")


def _facts(found: Comparison) -> dict[str, str]:
    return {
        "compared on": f"{found.samples} samples, with the model as it was",
        "1 - cosine": f"{found.cosine:.3g}",
        "sqnr": f"{found.sqnr:.3g} dB",
        "top1 moved": f"{found.top1:.3g} %",
        "time of a run": f"{found.ms:.3f} ms, {found.pruned_ms:.3f} ms pruned",
    }
