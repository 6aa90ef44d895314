"""`burnish inspect sparsity`: where a model's weights are zero, and what that gives."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from burnish.cli.calibration.calibrate import Shapes
from burnish.cli.options import AsJson
from burnish.cli.output import note, print_json, print_table
from burnish.cli.parse_shapes import parse_shapes

if TYPE_CHECKING:
    from burnish.sparsity import Layer, Sparsity

COLUMNS = ("layer", "operator", "weights", "zeros>", "2:4>", "blocks>", "dead outputs>", "dead inputs>", "MFLOP>")


def sparsity(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The ONNX model.", show_default=False)],
    shapes: Shapes = None,
    as_json: AsJson = False,
) -> None:
    """Show the zeros of each layer's weights: any, two of four, blocks of 16 outputs, whole channels."""
    from burnish.sparsity import find_sparsity

    found = find_sparsity(model, shapes=parse_shapes(shapes or ()) or None)
    if as_json:
        print_json(asdict(found))
        return
    print_table(COLUMNS, [_row(layer) for layer in found.layers])
    for line in notes(found):
        note(line)


def notes(found: Sparsity) -> list[str]:
    """What the zeros give."""
    if not found.layers:
        return ["the model has no product with constant f32 weights"]
    lines = []
    if found.taken_out:
        share = found.taken_out / found.weights
        lines.append(
            f"{found.taken_out:,} weights ({share:.1%}) belong to channels that are always 0: builds remove them"
        )
    whole = [layer.name for layer in found.layers if layer.groups == 1]
    if whole:
        lines.append(f"{len(whole)} layers are 2:4; no target of Burnish computes those faster than others yet")
    dead = sum(layer.dead_outputs for layer in found.layers)
    if dead and not found.taken_out:
        lines.append(f"{dead} outputs have no weights, but a bias, or a tensor that bars them, keeps them")
    return lines or ["no zeros that give anything"]


def _row(layer: Layer) -> tuple[str, ...]:
    work = "" if layer.multiply_adds is None else f"{2 * layer.multiply_adds / 1e6:.1f}"
    groups = "" if layer.groups is None else f"{layer.groups:.1%}"
    sizes = "x".join(map(str, layer.shape))
    counts = (str(layer.dead_outputs), str(layer.dead_inputs))
    return (layer.name, layer.operator, sizes, f"{layer.zeros:.1%}", groups, f"{layer.blocks:.1%}", *counts, work)
