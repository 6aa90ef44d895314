"""One model in several widths, beside its peers, in turns: f32, bf16 and int8 of ours, ONNX Runtime, OpenVINO.

    python benchmarks/cpu_precisions.py [MODEL ...] [--systems f32,bf16,onnxruntime,openvino-bf16] [--batch 1]

MODEL: a standard architecture (tests/end_to_end/architectures.py makes it, with random weights) or an ONNX file.
A system of ours may name its target, as in f32@cpu:x86-64-v3. int8 is the model after ONNX Runtime's static quantiser
(QDQ, per channel, u8 activations); the systems NAME-int8 get that file. Every answer is compared with ONNX Runtime's
f32, as the largest difference over the largest value. Each system has a process of its own, and they take turns.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import onnxruntime

import burnish
from burnish.devices.cpu.processor import best_target, processor_name
from burnish.measuring.arrays_file import save_arrays
from burnish.measuring.measure import PAUSE_S, block_runs
from burnish.measuring.process import Measured
from burnish.measuring.systems import PEERS
from tests.end_to_end.architectures import FULL

Arrays = dict[str, np.ndarray[Any, Any]]
OURS = ("f32", "bf16", "fp16", "int8")
BLOCK_MS = 300.0
TOKENS = 128
CALIBRATION = 4  # batches of random data: this is about speed, not accuracy


@dataclass(frozen=True)
class System:
    """A column of the table: what runs, and the file it runs."""

    label: str
    name: str
    file: Path
    built_s: float = 0.0


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Measure widths of one model side by side.")
    parser.add_argument("models", nargs="*", default=list(FULL))
    parser.add_argument("--systems", default="f32,bf16,onnxruntime,openvino,openvino-bf16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--batch", type=int, default=1)
    options = parser.parse_args(arguments)
    print(f"`python benchmarks/cpu_precisions.py {' '.join(arguments)}`\n")
    print(f"{processor_name()}, {best_target()}; {options.threads} threads, batch {options.batch}.\n")
    print("| model | system | p10 ms | median | p90 | f32 / this | peak MiB | error | built s |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for name in options.models:
        with tempfile.TemporaryDirectory() as folder:
            measure(name, options.systems.split(","), Path(folder), options)


def measure(name: str, wanted: Sequence[str], folder: Path, options: argparse.Namespace) -> None:
    """The rows of one model."""
    model, feeds = prepare(name, options.batch, folder)
    save_arrays(folder / "inputs.npz", feeds)
    expected = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"]).run(None, feeds)[0]
    systems = [system_of(word, model, feeds, folder) for word in wanted]
    running = [(s, Measured(s.name, s.file, folder / "inputs.npz", options.threads)) for s in systems]
    try:
        take_turns([m for _, m in running if not m.problem], options.rounds)
        rows = [(s, m.finish()) for s, m in running]
    finally:
        for _, each in running:
            each.close()
    base = next((c.latency_ms.p10 for s, c in rows if s.label == wanted[0] and c.latency_ms), None)
    for system, row in rows:
        if row.latency_ms is None:
            print(f"| {Path(name).stem} | {system.label} | {row.problem} | | | | | | |")
            continue
        t = row.latency_ms
        ratio = f"{base / t.p10:.2f}" if base else ""
        error = difference(system, feeds, expected) if system.name == "burnish" else ""
        print(
            f"| {Path(name).stem} | {system.label} | {t.p10:.2f} | {t.median:.2f} | {t.p90:.2f} | {ratio} | "
            f"{row.peak_rss_mib:.0f} | {error} | {system.built_s:.1f} |",
            flush=True,
        )


def prepare(name: str, batch: int, folder: Path) -> tuple[Path, Arrays]:
    """The ONNX file and its inputs."""
    if name not in FULL:
        from burnish.plan.sample_inputs import sample_inputs

        return Path(name), sample_inputs(burnish.build(name).manifest, {}, 0)
    architecture = FULL[name]
    path = folder / f"{name}.onnx"
    path.write_bytes(architecture.make())
    return path, architecture.feeds(batch, TOKENS)


def system_of(word: str, model: Path, feeds: Arrays, folder: Path) -> System:
    """Build ours, or quantise for a peer, as the word says."""
    kind, _, target = word.partition("@")
    if kind in PEERS:
        return System(word, kind, model)
    if kind.removesuffix("-int8") in PEERS:
        return System(word, kind.removesuffix("-int8"), quantised(model, feeds, folder))
    if kind not in OURS:
        raise SystemExit(f"'{kind}' is none of {', '.join((*OURS, *PEERS))}")
    source = quantised(model, feeds, folder) if kind == "int8" else model
    start = time.perf_counter()
    shapes = {n: a.shape for n, a in feeds.items()}
    precision = {} if kind in ("f32", "int8") else {"precision": kind}
    plan = burnish.build(str(source), shapes=shapes, target=target or "cpu", **precision)
    built_s = time.perf_counter() - start
    path = folder / f"{word.replace(':', '_')}.plan"
    plan.save(path)
    return System(word, "burnish", path, built_s)


def quantised(model: Path, feeds: Arrays, folder: Path) -> Path:
    """The model after onnxruntime's quantize_static; made once."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    path, prepared = folder / "int8.onnx", folder / "prepared.onnx"
    if path.exists():
        return path

    class Reader(CalibrationDataReader):
        """Noise like the input."""

        def __init__(self) -> None:
            self.rows = iter([noise(feeds, seed) for seed in range(CALIBRATION)])

        def get_next(self) -> Arrays | None:
            return next(self.rows, None)

    quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(path),
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return path


def noise(feeds: Mapping[str, Any], seed: int) -> Arrays:
    """Other floats of the same shapes; integers stay."""
    random = np.random.default_rng(seed)
    return {n: random.standard_normal(a.shape, np.float32) if a.dtype == np.float32 else a for n, a in feeds.items()}


def take_turns(contenders: Sequence[Measured], rounds: int) -> None:
    """Blocks of runs, one contender after the other; the first round is not kept."""
    runs = {id(c): block_runs(c.first_run_ms, BLOCK_MS) for c in contenders}
    for turn in range(rounds + 1):
        for contender in contenders:
            time.sleep(PAUSE_S)
            times = contender.block(runs[id(contender)])
            if turn:
                contender.times_ms += times
            elif times:
                runs[id(contender)] = block_runs(min(times), BLOCK_MS)


def difference(system: System, feeds: Arrays, expected: np.ndarray[Any, Any]) -> str:
    """The largest difference of the first output, relative to its largest value."""
    with burnish.load(system.file) as engine:
        (first, *_) = engine(feeds).values()
    return f"{np.abs(first - expected).max() / np.abs(expected).max():.1e}"


if __name__ == "__main__":
    main(sys.argv[1:])
