"""The `=== ... ===` sections of trtexec's report, in the same words, so parsers of its log can read this one."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.cli.parse_shapes import Ranges, Shapes
from burnish.cli.trtexec.options import Options
from burnish.cli.trtexec.timing import Run, Statistics, statistics
from burnish.precision.words import kind_of

MOST_LINES = 200  # averages of the trace to show, at the beginning and at the end


def dims(shape: Sequence[int]) -> str:
    """1x3x224x224."""
    return "x".join(map(str, shape)) or "scalar"


def options_text(options: Options) -> str:
    """The options of this command, printed before the work starts."""
    parts = [
        "=== Model Options ===",
        f"Format: {'ONNX' if options.onnx else '*'}",
        f"Model: {options.onnx}",
        "Output:",
    ]
    if not options.load_engine:
        parts += _build(options)
    parts += ["=== System Options ===", f"Device: {_device(options)}", *_inference(options), *_reporting(options)]
    return "\n".join(parts)


def _device(options: Options) -> str:
    return "the best that the plan has code for" if options.load_engine else options.target or "CPU"


def _build(options: Options) -> list[str]:
    pool = f"{options.workspace_bytes / (1 << 20):g} MiB" if options.workspace_bytes is not None else "default"
    return [
        "=== Build Options ===",
        f"Memory Pools: workspace: {pool}",
        f"Precision: {_precision(options.precision)}",
        f"LayerPrecisions: {', '.join(f'{name}:{word}' for name, word in options.layers)}",
        f"Calibration: {options.calib or ('Dynamic' if kind_of(options.precision) else '')}",
        f"Skip inference: {_enabled(is_build_only(options))}",
        f"Save engine: {options.save_engine}",
        f"Load engine: {options.load_engine}",
        f"Profiling verbosity: {options.profiling_verbosity}",
        "Input(s)s format: as the model states, row-major",
        "Output(s)s format: as the model states, row-major",
        *_ranges(options.ranges or {name: (s, s, s) for name, s in options.shapes.items()}),
    ]


def _precision(word: str) -> str:
    """FP32+FP16+INT8, as trtexec writes it."""
    return "as the model states" if word == "fp32" else "+".join(["FP32", *reversed(word.upper().split("+"))])


def _inference(options: Options) -> list[str]:
    return [
        "=== Inference Options ===",
        "Batch: Explicit",
        *_shapes(options.shapes),
        f"Iterations: {options.iterations}",
        f"Duration: {options.duration_s:g}s (+ {options.warm_up_ms:g}ms warm up)",
        f"Sleep time: {options.sleep_ms:g}ms",
        f"Idle time: {options.idle_ms:g}ms",
        f"Inference Streams: {options.streams}",
        f"CPU threads: {options.threads or 'all'}",
        f"Time Deserialize: {_enabled(options.wants('timeDeserialize'))}",
        "Inputs:",
        *(f"{name}<-{file}" for name, file in options.load_inputs.items()),
    ]


def _reporting(options: Options) -> list[str]:
    return [
        "=== Reporting Options ===",
        f"Verbose: {_enabled(options.wants('verbose'))}",
        f"Averages: {options.average_runs} inferences",
        f"Percentiles: {','.join(f'{p:g}' for p in options.percentiles)}",
        f"Dump output: {_enabled(options.wants('dumpOutput'))}",
        f"Profile: {_enabled(options.wants('dumpProfile'))}",
        f"Export timing to JSON file: {options.exports.get('exportTimes', '')}",
        f"Export output to JSON file: {options.exports.get('exportOutput', '')}",
        f"Export profile to JSON file: {options.exports.get('exportProfile', '')}",
        "",
    ]


def trace_text(runs: Sequence[Run], warm_ups: int, options: Options, wall_ms: float) -> str:
    """The number of runs, and their averages in order."""
    parts = [
        f"Warmup completed {warm_ups} queries over {options.warm_up_ms:g} ms",
        f"Timing trace has {len(runs)} queries over {wall_ms / 1e3:g} s",
        "",
        "=== Trace details ===",
        f"Trace averages of {options.average_runs} runs:",
    ]
    n = options.average_runs
    means = [sum(r.latency_ms for r in runs[i : i + n]) / n for i in range(0, len(runs) - n + 1, n)]
    lines = [f"Average on {n} runs - GPU latency: {m:g} ms - Host latency: {m:g} ms (enqueue {m:g} ms)" for m in means]
    if len(lines) > 2 * MOST_LINES:
        lines[MOST_LINES:-MOST_LINES] = [f"... Omitting {len(lines) - 2 * MOST_LINES} lines"]
    return "\n".join(parts + lines)


def summary_text(runs: Sequence[Run], options: Options, wall_ms: float) -> str:
    """The numbers. A CPU has no transfers: H2D and D2H are 0, and computing is all of the latency."""
    found = statistics([r.latency_ms for r in runs], options.percentiles)
    nothing = statistics([0.0], options.percentiles)
    parts = [
        "",
        "=== Performance summary ===",
        f"Throughput: {1e3 * len(runs) / wall_ms:g} qps",
        f"Latency: {_numbers(found)}",
        f"Enqueue Time: {_numbers(found)}",
        f"H2D Latency: {_numbers(nothing)}",
        f"GPU Compute Time: {_numbers(found)}",
        f"D2H Latency: {_numbers(nothing)}",
        f"Total Host Walltime: {wall_ms / 1e3:g} s",
        f"Total GPU Compute Time: {found.mean * len(runs) / 1e3:g} s",
    ]
    if options.wants("verbose"):
        parts += ["", *EXPLANATIONS]
    return "\n".join(parts)


EXPLANATIONS = (
    "=== Explanations of the performance metrics ===",
    "Throughput: queries completed, over the wall time from the first one's start to the last one's end.",
    "Latency: wall time of one query, from the call in Python to its return.",
    "GPU Compute Time: the same on a CPU; the line is kept for scripts that read it. H2D and D2H do not exist here.",
)


def _numbers(s: Statistics) -> str:
    text = f"min = {s.min:g} ms, max = {s.max:g} ms, mean = {s.mean:g} ms, median = {s.median:g} ms"
    return text + "".join(f", percentile({p:g}%) = {v:g} ms" for p, v in s.percentiles)


def _ranges(ranges: Ranges) -> list[str]:
    if not ranges:
        return ["Input build shapes: model"]
    return [f"Input build shape (profile 0): {name}={'+'.join(map(dims, r))}" for name, r in ranges.items()]


def _shapes(shapes: Shapes) -> list[str]:
    if not shapes:
        return ["Input inference shapes: model"]
    return [f"Input inference shape : {name}={dims(shape)}" for name, shape in shapes.items()]


def is_build_only(options: Options) -> bool:
    """--skipInference, or TensorRT 8's --buildOnly."""
    return options.wants("skipInference") or options.wants("buildOnly")


def _enabled(on: bool) -> str:
    return "Enabled" if on else "Disabled"
