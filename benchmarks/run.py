"""`make bench`: models side by side with their peers, as a Markdown report on stdout.

    python benchmarks/run.py                  examples/digits.onnx and every benchmarks/models/*.onnx
    python benchmarks/run.py resnet50.onnx --shapes input:1x3x224x224 --against onnxruntime,openvino --threads 2

Every system runs in its own process, asked in turns (burnish.measuring). A dynamic input without a shape is taken at 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cpu_kernels import multiply_adds

import burnish
from burnish.cli.parse_shapes import parse_shapes
from burnish.devices.cpu.processor import best_target, core_count
from burnish.measuring import BenchReport, Contender
from burnish.verification.data_sets import load_cases

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
    peak = peak_gflops(options.threads)
    print(f"\n{best_target()}, {core_count()} cores; {options.threads} threads, batch 1, times in ms.")
    print(f"A loop of nothing but multiply-adds reaches {peak:.0f} GFLOP/s on those threads.\n")
    for path in models:
        shapes = parse_shapes(options.shapes)
        measure(path, shapes, tuple(options.against.split(",")), options.threads, options.rounds, peak)


def peak_gflops(threads: int, bursts: int = 40) -> float:
    """The best of many bursts, all threads at once."""
    loops = [multiply_adds(best_target()) for _ in range(threads)]
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(bursts):
            start = time.perf_counter()
            list(pool.map(lambda loop: [loop[0]() for _ in range(10)], loops))
            best = max(best, sum(10 * flops for _, flops in loops) / (time.perf_counter() - start) / 1e9)
    return best


def measure(
    path: Path,
    shapes: Mapping[str, Sequence[int]],
    against: tuple[str, ...],
    threads: int,
    rounds: int,
    peak: float,
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
        sample = path.parent / "test_data_set_0"  # real inputs, where they lie beside the model
        data = sample if sample.is_dir() else None
        arrays = next(iter(load_cases(data, inputs).values())) if data else None
        is_right = burnish.verify(path, file, data=data, threads=threads).is_accepted
        report = burnish.bench(
            file, model=path, inputs=arrays, against=against, threads=threads, rounds=rounds, layers=True
        )
        size_mib = file.stat().st_size / 2**20
    print(f"### {path.parent.name if path.stem == 'model' else path.stem}\n")
    answers = "verified" if is_right else "**not verified**"
    print(f"Built in {built_s:.1f} s, {size_mib:.1f} MiB, {len(report.layers)} launches, {answers}.\n")
    print_times(report)
    print_floor(report, peak)
    print_layers(report)


def input_names(path: Path) -> list[str]:
    """The inputs of an ONNX file, its weights unread."""
    import onnx

    return [i.name for i in onnx.load(str(path), load_external_data=False).graph.input]


def print_times(report: BenchReport) -> None:
    print("| system | median | p10 | p90 | load | first run | peak MiB | median / ours |")
    print("|---|---|---|---|---|---|---|---|")
    ours = report.burnish.latency_ms
    for row in (report.burnish, *report.peers):
        if row.latency_ms is None or ours is None:
            print(f"| {row.name} | {row.problem} | | | | | | |")
            continue
        print(f"| {row.name} | {cells(row)} | {row.latency_ms.median / ours.median:.2f} |")


def print_floor(report: BenchReport, peak: float) -> None:
    """What the plan's own sums of products would take at the peak, and the share of it that the median reaches."""
    flops = sum(layer["flops"] for layer in report.layers)
    if report.burnish.latency_ms is not None:
        floor, median, p10 = flops / peak / 1e6, report.burnish.latency_ms.median, report.burnish.latency_ms.p10
        print(f"\nFloor: {flops / 1e9:.2f} GFLOP at the peak take {floor:.3g} ms: ", end="")
        print(f"{floor / p10:.0%} of it reached at the 10th percentile, {floor / median:.0%} at the median.")


def cells(row: Contender) -> str:
    assert row.latency_ms is not None
    times = (row.latency_ms.median, row.latency_ms.p10, row.latency_ms.p90, row.load_ms, row.first_run_ms)
    return " | ".join([*(f"{t:.3f}" if t < 1 else f"{t:.1f}" for t in times), f"{row.peak_rss_mib:.0f}"])


def print_layers(report: BenchReport) -> None:
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
