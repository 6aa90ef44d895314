"""`burnish run`: a plan, inputs, outputs. Imports no compiler."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from burnish.cli.options import AsJson, Device, Threads, TrustedKey
from burnish.cli.output import note, print_json, print_table
from burnish.cli.parse_shapes import parse_files, parse_shapes
from burnish.settings import settings

if TYPE_CHECKING:
    from burnish.plan import Manifest
    from burnish.runtime import Engine


def run(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan.", show_default=False)],
    input: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="[NAME=]FILE",
            help="NAME=FILE (.npy, .pb or raw bytes), or FILE.npz with several inputs. Repeatable.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Save the outputs: FILE.npz, or a folder.")
    ] = None,
    shapes: Annotated[
        list[str] | None,
        typer.Option("--shapes", metavar="SHAPES", help="Shapes of the inputs that have no file: NAME:1x3x224x224,..."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random values of inputs that have no file.")] = 0,
    threads: Threads = None,
    device: Device = None,
    trusted_key: TrustedKey = None,
    as_json: AsJson = False,
) -> None:
    """Run a plan once, on inputs from files or on random ones."""
    import burnish
    from burnish.cli.tensor_files import read_inputs, save_outputs
    from burnish.plan import read
    from burnish.plan.sample_inputs import sample_inputs
    from burnish.runtime.present import as_array

    loaded = read(plan, trusted_key=trusted_key)
    inputs = read_inputs(parse_files(input or (), "--input"), loaded.manifest.inputs)
    made_up = [t.name for t in loaded.manifest.inputs if t.name not in inputs]
    if made_up:
        known = {name: array.shape for name, array in inputs.items()} | parse_shapes(shapes or ())
        inputs = sample_inputs(loaded.manifest, known, seed) | inputs
        note(f"random values (seed {seed}) for: {', '.join(made_up)}")
    with burnish.load(loaded, threads=threads, device=device) as engine:
        start = time.perf_counter()
        found = engine(inputs)
        elapsed_ms = 1e3 * (time.perf_counter() - start)
        _note_launches(engine, inputs)
    outputs = {name: as_array(value) for name, value in found.items()}
    if output is not None:
        save_outputs(outputs, output)
    _print(loaded.manifest, outputs, elapsed_ms, as_json)


def _note_launches(engine: Engine, inputs: Mapping[str, Any]) -> None:
    """At BURNISH_DEBUG=2 and higher: each launch's time, memory traffic per second and share of the roofline."""
    if settings().debug < 2:
        return
    from burnish.measuring.systems import layers_of

    for layer in layers_of(engine, inputs):
        rate = f"{layer['bytes'] / layer['ms'] / 1e6:.1f} GB/s" if layer["ms"] and layer["bytes"] else ""
        roofline = "" if layer["roofline"] is None else f"{100 * layer['roofline']:.0f} % of the roofline"
        name = f"{layer['kernel']} {layer['name']} [{layer['tactic']}]"
        note("  ".join(filter(None, (f"{layer['ms']:.4f} ms", rate, roofline, name))))


def _print(manifest: Manifest, outputs: Mapping[str, Any], elapsed_ms: float, as_json: bool) -> None:
    rows = [describe(name, array) for name, array in outputs.items()]
    if as_json:
        print_json({"model": manifest.model_name, "run_ms": elapsed_ms, "outputs": rows})
    else:
        print_table(
            ("output", "type", "shape", "min>", "max>", "mean>", "first values"), [list(row.values()) for row in rows]
        )
        note(f"{elapsed_ms:.2f} ms, the first run")


def describe(name: str, array: Any) -> dict[str, Any]:
    """One line about a tensor."""
    from burnish.dtypes import DType

    dtype = DType.of(array.dtype)
    numbers = array.astype("f8").ravel() if dtype is not DType.STRING else array.ravel()[:0]
    return {
        "name": name,
        "dtype": dtype.value,
        "shape": "x".join(map(str, array.shape)) or "scalar",
        "min": float(numbers.min()) if numbers.size else "",
        "max": float(numbers.max()) if numbers.size else "",
        "mean": float(numbers.mean()) if numbers.size else "",
        "first": " ".join(f"{v:.5g}" if dtype.is_float else str(v) for v in array.ravel()[:6].tolist()),
    }
