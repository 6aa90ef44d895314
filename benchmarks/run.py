"""`make bench`: models side by side with their peers, as a Markdown report on stdout.

    python benchmarks/run.py                  examples/digits.onnx and every benchmarks/models/*.onnx
    python benchmarks/run.py resnet50.onnx --shapes input:1x3x224x224 --against onnxruntime,openvino --threads 2

Every system runs in its own process, asked in turns (burnish.bench). A dynamic input without a shape is taken at 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import burnish
from burnish.bench import Contender, Report
from burnish.cli.parse_shapes import parse_shapes
from burnish.devices.machine import best_target, core_count

FOLDER = Path(__file__).parent


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Measure models side by side with their peers.")
    parser.add_argument("models", nargs="*", type=Path, help="ONNX files")
    parser.add_argument("--against", default="onnxruntime", help="peers, separated by commas")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--shapes", action="append", default=[], help="NAME:1x3x224x224,... for models with that input")
    options = parser.parse_args(arguments)
    models = options.models or [FOLDER.parent / "examples" / "digits.onnx", *sorted(FOLDER.glob("models/*.onnx"))]
    print(f"`python benchmarks/run.py {' '.join(arguments)}`".replace(" `", "`"))
    print(f"\n{best_target()}, {core_count()} cores; {options.threads} threads, batch 1, times in ms\n")
    for path in models:
        measure(path, parse_shapes(options.shapes), tuple(options.against.split(",")), options.threads, options.rounds)


def measure(
    path: Path, shapes: Mapping[str, Sequence[int]], against: tuple[str, ...], threads: int, rounds: int
) -> None:
    """Build, verify and measure one model; print its section."""
    print(f"measuring {path.name} ...", file=sys.stderr)
    inputs = input_names(path)
    start = time.perf_counter()
    plan = burnish.build(str(path), shapes={n: s for n, s in shapes.items() if n in inputs})
    built_s = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.plan"
        plan.save(file)
        is_right = burnish.verify(path, file, threads=threads).is_accepted
        report = burnish.bench(file, model=path, against=against, threads=threads, rounds=rounds, layers=True)
        size_mib = file.stat().st_size / 2**20
    print(f"### {path.stem}\n")
    answers = "verified" if is_right else "**not verified**"
    print(f"Built in {built_s:.1f} s, {size_mib:.1f} MiB, {len(report.layers)} launches, {answers}.\n")
    print_times(report)
    print_layers(report)


def input_names(path: Path) -> set[str]:
    """The inputs of an ONNX file, its weights unread."""
    import onnx

    return {i.name for i in onnx.load(str(path), load_external_data=False).graph.input}


def print_times(report: Report) -> None:
    print("| system | median | p10 | p90 | load | first run | peak MiB | median / ours |")
    print("|---|---|---|---|---|---|---|---|")
    ours = report.burnish.latency_ms
    for row in (report.burnish, *report.peers):
        if row.latency_ms is None or ours is None:
            print(f"| {row.name} | {row.problem} | | | | | | |")
            continue
        print(f"| {row.name} | {cells(row)} | {row.latency_ms.median / ours.median:.2f} |")


def cells(row: Contender) -> str:
    assert row.latency_ms is not None
    times = (row.latency_ms.median, row.latency_ms.p10, row.latency_ms.p90, row.load_ms, row.first_run_ms)
    return " | ".join([*(f"{t:.3f}" if t < 1 else f"{t:.1f}" for t in times), f"{row.peak_rss_mib:.0f}"])


def print_layers(report: Report) -> None:
    """The five launches that take longest, and how fast they compute."""
    print("\n| slowest launches | tactic | ms | share | GFLOP/s | GB/s |")
    print("|---|---|---|---|---|---|")
    for layer in sorted(report.layers, key=lambda row: -row["ms"])[:5]:
        seconds = max(layer["ms"], 1e-6) / 1e3
        rates = f"{layer['flops'] / seconds / 1e9:.0f} | {layer['bytes'] / seconds / 1e9:.1f}"
        print(f"| {layer['name']} | {layer['tactic']} | {layer['ms']:.3f} | {layer['share']:.0%} | {rates} |")
    print()


if __name__ == "__main__":
    main(sys.argv[1:])
