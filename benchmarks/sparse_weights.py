"""Products of few rows whose weights have zeros: kept without them, beside the same weights kept dense.

    python benchmarks/sparse_weights.py [--target cpu:x86-64-v4] [--rows 1,2,4,8] [--zeros 2:4,0.9] [--dtype bf16]

Weights come from memory: each call reads the next of several copies, 200 MB in all (--warm: always the same one). With
two threads each has half of every product. Times are medians of turns; beside them the spread, (maximum - minimum) /
median. The dense form is the one that a build would choose.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.cpu_kernels import aligned, loaded, product
from burnish.devices.cpu.processor import best_target
from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Contraction
from burnish.target import Target, parse_target
from burnish.targets.cpu.templates import template_of

Array = np.ndarray[Any, Any]
SHAPES = [(768, 3072), (3072, 768), (4096, 4096)]  # K, N
COLD_BYTES, WARM_CALLS_BYTES = 200 << 20, 60 << 20


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="")
    parser.add_argument("--rows", default="1,2,4,8")
    parser.add_argument("--zeros", default="2:4,0.9")
    parser.add_argument("--dtype", default="f32", choices=("f32", "bf16"), help="in which weights are kept")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--warm", action="store_true")
    options = parser.parse_args(arguments)
    target = parse_target(options.target) if options.target else best_target()
    print(f"{target}, weights {'in caches' if options.warm else 'from memory'}\n")
    print("| K x N | zeros | rows | threads | dense us | sparse us | times as fast | a build takes |\n|" + "---|" * 8)
    for depth, columns in SHAPES:
        for zeros in options.zeros.split(","):
            for rows in map(int, options.rows.split(",")):
                compare(rows, columns, depth, zeros, target, options)


def compare(rows: int, columns: int, depth: int, zeros: str, target: Target, options: argparse.Namespace) -> None:
    """A line for each number of threads."""
    dtype = DType(options.dtype)
    weights = with_zeros(depth, columns, zeros).astype(dtype.numpy)
    kernel = product(rows, columns, depth).kernel
    assert isinstance(kernel, Contraction)
    a, b, *others = kernel.slots
    sixteenths = int(16 * np.mean(weights == 0))
    kernel = replace(kernel, slots=(a, replace(b, dtype=dtype, zeros=sixteenths), *others))
    schedules = template_of(kernel).schedules(kernel, target, {})
    sparse = next((s for s in schedules if s["form"] == "sparse"), None)
    if sparse is None:
        print(f"| {depth} x {columns} | {zeros} | {rows} | | | not offered | | dense |")
        return
    dense = next(s for s in schedules if s["form"] != "sparse")
    contenders = [Contender.of(kernel, s, target, weights, rows, options.warm) for s in (dense, sparse)]
    answers = [c.answer(columns) for c in contenders]
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-3, atol=1e-2)
    for threads in map(int, options.threads.split(",")):
        times: list[list[float]] = [[], []]
        for _ in range(options.rounds):
            for found, contender in zip(times, contenders):
                found.append(contender.seconds(threads))
        shown = [f"{statistics.median(t) * 1e6:.0f} ({(max(t) - min(t)) / statistics.median(t):.0%})" for t in times]
        gain = statistics.median(times[0]) / statistics.median(times[1])
        taken = "sparse" if schedules[0] == sparse else "dense"
        print(
            f"| {depth} x {columns} | {zeros} | {rows} | {threads} | {shown[0]} | {shown[1]} | {gain:.2f} | {taken} |"
        )
        sys.stdout.flush()


def with_zeros(depth: int, columns: int, zeros: str) -> Array:
    """Normal weights, two of each four along K zero (2:4), or a share of all."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((depth, columns), np.float32)
    if zeros == "2:4":
        order = rng.random((depth // 4, 4, columns)).argsort(1)
        return np.where((order < 2).reshape(depth, columns), weights, np.float32(0))
    return np.where(rng.random((depth, columns)) < float(zeros), np.float32(0), weights)


@dataclass
class Contender:
    """A kernel's code, where its operands lie, and the copies of its weights."""

    call: Callable[..., None]
    places: list[int]
    copies: Array
    scratch: list[Array]
    calls: int
    keep: list[Array]

    @classmethod
    def of(cls, kernel: Contraction, schedule: Schedule, target: Target, weights: Array, rows: int, warm: bool) -> Any:
        template = template_of(kernel)
        call = loaded(lambda context: template.emit(context, kernel, schedule, "kernel"), target)
        packed = template.pack(kernel, schedule, 1, weights).reshape(-1).view(np.uint8)
        step = -(-packed.nbytes // 64) * 64
        count = 1 if warm else max(2, COLD_BYTES // step)
        copies = aligned(count * step // 4).view(np.uint8).reshape(count, step)
        copies[:, : packed.nbytes] = packed
        arrays = [aligned(int(slot.span)) for slot in kernel.slots]  # type: ignore[call-overload]
        arrays[0][:] = np.random.default_rng(1).standard_normal(arrays[0].size, np.float32)
        scratch = [aligned(template.scratch_bytes(kernel, schedule) // 4 + 64) for _ in range(64)]
        calls = max(10, WARM_CALLS_BYTES // step) if warm else count
        return cls(call, [a.ctypes.data for a in arrays], copies, scratch, calls, arrays)

    def part(self, thread: int, threads: int) -> None:
        """One thread's part of all calls."""
        dims = np.zeros(1, np.int64)
        for n in range(self.calls):
            places = [self.places[0], self.copies[n % len(self.copies)].ctypes.data, *self.places[2:]]
            self.call(*places, dims.ctypes.data, self.scratch[thread].ctypes.data, thread, threads)

    def answer(self, columns: int) -> Array:
        self.part(0, 1)
        return self.keep[2][:columns].copy()

    def seconds(self, threads: int) -> float:
        """Of one call."""
        gate, took = threading.Barrier(threads), [0.0] * threads

        def work(thread: int) -> None:
            gate.wait()
            start = time.perf_counter()
            self.part(thread, threads)
            took[thread] = (time.perf_counter() - start) / self.calls

        workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return max(took)


if __name__ == "__main__":
    main(sys.argv[1:])
