"""`burnish inspect sparsity`: where a model's weights are zero, and what that gives."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from burnish.cli.calibration.calibrate import Shapes
from burnish.cli.options import AsJson, Threads
from burnish.cli.output import note, print_json, print_table
from burnish.cli.parse_shapes import parse_shapes

if TYPE_CHECKING:
    from burnish.sparsity import Gain, Gains, Layer, Sparsity

GAIN_COLUMNS = ("layer", "rows>", "zeros>", "us with zeros>", "us without>", "times as fast>", "a build")
LEAST_SHARE, MEGA = 0.25, 1 << 20
COLUMNS = ("layer", "operator", "weights", "zeros>", "2:4>", "blocks>", "dead outputs>", "dead inputs>", "MFLOP>")


def sparsity(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The ONNX model.", show_default=False)],
    measure: Annotated[
        bool, typer.Option("--measure", help="Time products of few rows on this CPU, with their zeros and without.")
    ] = False,
    shapes: Shapes = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Show the zeros of each layer's weights: any, two of four, blocks of 16 outputs, whole channels."""
    from burnish.sparsity import find_sparsity, time_products

    bounds = parse_shapes(shapes or ()) or None
    found = find_sparsity(model, shapes=bounds)
    gains = time_products(model, shapes=bounds, threads=threads) if measure else None
    if as_json:
        print_json(asdict(found) | ({} if gains is None else {"measured": asdict(gains)}))
        return
    print_table(COLUMNS, [_row(layer) for layer in found.layers])
    if gains is not None and gains.layers:
        print_table(GAIN_COLUMNS, [_gain_row(gain) for gain in gains.layers])
    for line in [*notes(found), *([] if gains is None else gain_notes(gains))]:
        note(line)


def notes(found: Sparsity) -> list[str]:
    """What the zeros give."""
    from burnish.sparsity import ON_GPUS

    if not found.layers:
        return ["the model has no product with constant f32 weights"]
    lines = []
    if found.taken_out:
        share = found.taken_out / found.weights
        lines.append(
            f"{found.taken_out:,} weights ({share:.1%}) belong to channels that are always 0: builds remove them"
        )
    thin = [layer for layer in found.layers if layer.zeros >= LEAST_SHARE]
    if thin:
        whole = sum(layer.groups == 1 for layer in thin)
        lines.append(
            f"{len(thin)} layers ({whole} of them 2:4) have a quarter of zeros or more: CPUs with AVX-512 read "
            "weights without their zeros where that is faster, in products of up to 5 rows and models of 64 MB or more "
            "(--measure times it here); all other products are computed as if none were zero"
        )
        if whole:
            lines.append(ON_GPUS)
    dead = sum(layer.dead_outputs for layer in found.layers)
    if dead and not found.taken_out:
        lines.append(f"{dead} outputs have no weights, but a bias, or a tensor that bars them, keeps them")
    return lines or ["no zeros that give anything"]


def gain_notes(gains: Gains) -> list[str]:
    """What was measured, and what a build makes of it."""
    if not gains.is_able:
        return [f"this machine ({gains.target}) has no AVX-512, which puts numbers back between zeros"]
    if not gains.layers:
        return ["nothing was timed: no product of up to 8 rows has f32 or bf16 weights a quarter of which are 0"]
    lines = [f"timed on {gains.target}, weights from memory"]
    if gains.constant_bytes < gains.least_bytes:
        lines.append(
            f"a build keeps the zeros: {gains.constant_bytes / MEGA:.0f} MB of constants may stay in a cache, where "
            f"weights with their zeros are as fast; from {gains.least_bytes / MEGA:.0f} MB on it leaves them out"
        )
    slower = [gain for gain in gains.layers if gain.sparse_us >= gain.dense_us]
    if slower:
        lines.append(f"{len(slower)} are faster with their zeros: products of more rows take longer than their weights")
    return lines


def _gain_row(gain: Gain) -> tuple[str, ...]:
    more = f" and {len(gain.layers) - 1} like it" if len(gain.layers) > 1 else ""
    times = (f"{gain.dense_us:.1f}", f"{gain.sparse_us:.1f}", f"{gain.dense_us / gain.sparse_us:.2f}")
    kept = "leaves them out" if gain.taken else "keeps them"
    return (gain.layers[0] + more, str(gain.rows), f"{gain.zeros:.0%}", *times, kept)


def _row(layer: Layer) -> tuple[str, ...]:
    work = "" if layer.multiply_adds is None else f"{2 * layer.multiply_adds / 1e6:.1f}"
    groups = "" if layer.groups is None else f"{layer.groups:.1%}"
    sizes = "x".join(map(str, layer.shape))
    counts = (str(layer.dead_outputs), str(layer.dead_inputs))
    return (layer.name, layer.operator, sizes, f"{layer.zeros:.1%}", groups, f"{layer.blocks:.1%}", *counts, work)
