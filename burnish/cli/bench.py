"""`burnish bench`: measure speed, memory and load time, also against other systems."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from burnish.cli.options import Device
from burnish.cli.output import note, print_json, print_table
from burnish.cli.parse_shapes import parse_shapes
from burnish.cli.progress import Advance, progress

if TYPE_CHECKING:
    from burnish.measuring import BenchReport


def bench(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PLAN|MODEL", help="A plan, or an ONNX model, which is built first.", show_default=False
        ),
    ],
    against: Annotated[
        str, typer.Option("--against", help="Measure these too: onnxruntime,onnxruntime-cuda,openvino,openvino-bf16.")
    ] = "",
    model: Annotated[
        Path | None, typer.Option("--model", help="The ONNX model for --against, if PLAN is a plan.")
    ] = None,
    shapes: Annotated[
        list[str] | None, typer.Option("--shapes", metavar="SHAPES", help="Shapes of the inputs: NAME:1x3x224x224,...")
    ] = None,
    threads: Annotated[
        int, typer.Option("--threads", min=0, help="Number of CPU threads for each runtime. 0: all cores.")
    ] = 0,
    device: Device = None,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, help="Blocks of runs for each runtime; they run in turns.")
    ] = 10,
    runs: Annotated[int, typer.Option("--runs", min=0, help="Runs in a block. 0: as many as take about 0.2 s.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random inputs.")] = 0,
    layers: Annotated[bool, typer.Option("--layers", help="Print the time of each launch.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with the time of each launch.")] = False,
) -> None:
    """Measure a plan's latency, load time and memory in a separate process."""
    import burnish.measuring as room

    bound = parse_shapes(shapes or ())
    options = room.Options(
        against=tuple(name.strip() for name in against.split(",") if name.strip()),
        threads=threads,
        device=device or "",
        rounds=rounds,
        runs=runs,
        layers=layers or as_json,
        shapes=bound,
        seed=seed,
    )
    with progress() as advance, _plan_of(path, bound, device, advance) as plan:
        is_model = plan != path
        report = room.bench(plan, model or (path if is_model else None), options, progress=advance)
    if as_json:
        print_json(report.as_dict())
    else:
        _print(report)
        if layers:
            print()
            _print_layers(report)


@contextmanager
def _plan_of(path: Path, shapes: dict[str, tuple[int, ...]], device: str | None, advance: Advance) -> Iterator[Path]:
    """The path itself if it is a plan; else a temporary plan, built from the model for the device."""
    if not _is_model(path):
        yield path
        return
    import burnish

    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / f"{path.stem}.plan"
        burnish.build(path, shapes=shapes or None, target=device or "cpu", progress=advance).save(built)
        yield built


def _is_model(path: Path) -> bool:
    """Is it a model? The first bytes decide. For a missing file the name decides, so the error names a model."""
    from burnish.plan import is_plan

    return not is_plan(path) if path.is_file() else path.suffix == ".onnx"


def _print(report: BenchReport) -> None:
    rows = []
    ratios = report.ratios()
    for c in (report.burnish, *report.peers):
        if c.latency_ms is None:
            note(f"{c.name} cannot run: {c.problem}")
            continue
        t = c.latency_ms
        ratio = f"{ratios[c.name]['median']:.3f} / {ratios[c.name]['p10']:.3f}" if c.name in ratios else ""
        times = (t.median, t.min, t.p10, t.p90, t.p99)
        costs = (f"{c.load_ms:.1f}", f"{c.first_run_ms:.1f}", f"{c.peak_rss_mib:.0f}")
        rows.append((c.name, *times, f"{c.throughput_per_s:.1f}", *costs, ratio))
    head = ("", "median ms>", "min>", "p10>", "p90>", "p99>", "per s>", "load ms>", "first run ms>", "peak MiB>")
    print_table((*head, "ours / theirs, median / p10>") if ratios else (*head, ""), rows)
    shapes = ", ".join(f"{name} {'x'.join(map(str, shape)) or 'scalar'}" for name, shape in report.shapes.items())
    note(f"{report.burnish.runs} runs, {report.threads or 'all'} threads; {shapes}")


def _print_layers(report: BenchReport) -> None:
    from burnish.plan.manifest import REFERENCE

    rows = [
        (
            f"{100 * layer['share']:.1f}",
            f"{layer['ms']:.4f}",
            f"{layer['flops'] / layer['ms'] / 1e6:.1f}" if layer["ms"] and layer["flops"] else "",
            f"{layer['bytes'] / layer['ms'] / 1e6:.1f}" if layer["ms"] and layer["bytes"] else "",
            f"{100 * layer['roofline']:.0f}" if layer["roofline"] is not None else "",
            layer["kernel"],
            layer["tactic"],
            " ".join(layer["nodes"]),
        )
        for layer in sorted(report.layers, key=lambda layer: -layer["ms"])
    ]
    names = ("%>", "ms>", "GFLOP/s>", "GB/s>", "% of roofline>", "kernel", "tactic", "ONNX nodes")
    if report.launches_ms is not None:
        note(f"{len(rows)} launches take {report.launches_ms:.3f} ms together, without the rest of a call")
    if host := [layer["ms"] for layer in report.layers if layer["kernel"] == REFERENCE]:
        note(f"{len(host)} run on the host's reference kernel: {sum(host):.3f} ms, copies included")
    if any(layer["roofline"] is not None for layer in report.layers):
        print_table(names, rows)
    else:
        print_table((*names[:4], *names[5:]), [(*row[:4], *row[5:]) for row in rows])
