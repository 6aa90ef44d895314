"""Speed of the CPU's contraction and attention kernels on one core, beside the core's own peak.

    python benchmarks/cpu_kernels.py [--target cpu:x86-64-v4] [--only 3x3] [--candidates 1] [--rounds 15]

Every kernel is timed in turns with a loop of nothing but multiply-adds, and minima are taken, so that a busy machine
disturbs both alike: trust the ratio. Weights rotate through 64 MB, as they do in a network: they come from memory.
"""

from __future__ import annotations

import argparse
import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from burnish.devices.cpu.processor import best_target
from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.kernels.slot import Slot
from burnish.kernels.task import AttentionTask, Contraction, Kernel, Store
from burnish.ops.language.expr import Axis, acc, axis, binary, const, load
from burnish.target import Target, parse_target
from burnish.targets.cpu.builder import KernelBuilder, KernelContext
from burnish.targets.cpu.codegen import compile_module, target_machine
from burnish.targets.cpu.templates import template_of

F32 = DType.F32
ROTATE_BYTES = 64 << 20
RESNET50 = [  # output size, input and output channels, kernel, stride, residual
    (112, 3, 64, 7, 2, False), (56, 64, 64, 1, 1, False), (56, 64, 64, 3, 1, False), (56, 64, 256, 1, 1, True),
    (56, 256, 64, 1, 1, False), (56, 256, 128, 1, 1, False), (28, 128, 128, 3, 2, False), (28, 128, 512, 1, 1, True),
    (28, 256, 512, 1, 2, False), (28, 512, 128, 1, 1, False), (28, 128, 128, 3, 1, False),
    (28, 512, 256, 1, 1, False), (14, 256, 256, 3, 2, False), (14, 256, 1024, 1, 1, True),
    (14, 512, 1024, 1, 2, False), (14, 1024, 256, 1, 1, False), (14, 256, 256, 3, 1, False),
    (14, 1024, 512, 1, 1, False), (7, 512, 512, 3, 2, False), (7, 512, 2048, 1, 1, True),
    (7, 1024, 2048, 1, 2, False), (7, 2048, 512, 1, 1, False), (7, 512, 512, 3, 1, False),
]  # fmt: skip
PRODUCTS = [
    (128, 768, 768), (128, 2304, 768), (128, 3072, 768), (128, 768, 3072), (197, 768, 768), (16, 768, 768),
    (4, 768, 768), (1, 768, 768), (1, 1000, 2048), (512, 64, 512),
]  # fmt: skip
ATTENTION = [(12, 128, 128, 64), (12, 197, 197, 64), (12, 512, 512, 64), (12, 1, 1024, 64)]


@dataclass
class Case:
    """A kernel with its name, work, and the size of each slot (elements)."""

    name: str
    kernel: Kernel
    flops: int
    sizes: list[int]
    weights: np.ndarray[Any, Any] | None = None


def convolution(size: int, c: int, o: int, kernel: int, stride: int, residual: bool) -> Case:
    """Channels-last, halo and 16 spare channels in memory, bias and ReLU."""
    spare = 16 if c > 3 else 0
    width = size * stride + kernel // 2 * 2
    pixel, row = c + spare, (c + spare) * width
    out_pixel, out_row = o + 16, (o + 16) * (size + 2)
    y, x, n, r, s, i = (Axis(*a) for a in zip("yxnrsc", (size, size, o, kernel, kernel, c)))
    at = (axis(y), axis(x), axis(n))
    slots = [
        Slot(F32, (width, width, c), (row, pixel, 1)),
        Slot(F32, (kernel, kernel, c, o), (kernel * c * o, c * o, o, 1)),
        Slot(F32, (size, size, o), (out_row, out_pixel, 1)),
        Slot(F32, (o,), (1,)),
    ]
    value = acc(0, F32) + load(3, F32, (axis(n),))
    if residual:
        slots.append(slots[2])
        value = value + load(4, F32, at)
    task = Contraction(
        tuple(slots), (y, x), n, (r, s, i),
        ((y, row * stride), (x, pixel * stride), (r, row), (s, pixel), (i, 1)),
        ((r, kernel * c * o), (s, c * o), (i, o), (n, 1)), True,
        (Store(2, at, binary("max", value, const(0.0, F32))),),
    )  # fmt: skip
    name = f"conv {kernel}x{kernel}{f's{stride}' if stride > 1 else ''} {c}>{o} @{size}"
    sizes = [row * width, 0, out_row * (size + 2), o, out_row * (size + 2)][: len(slots)]
    flops = 2 * size * size * o * c * kernel * kernel
    return Case(name, task, flops, sizes, np.ones((kernel, kernel, c, o), np.float32))


def product(m: int, n: int, k: int) -> Case:
    """A dense layer with bias; rows 16 elements apart more than they are long."""
    p, q, r = Axis("m", m), Axis("n", n), Axis("k", k)
    task = Contraction(
        tuple(Slot(F32, *s) for s in (((m, k), (k + 16, 1)), ((k, n), (n, 1)), ((m, n), (n + 16, 1)), ((n,), (1,)))),
        (p,), q, (r,), ((p, k + 16), (r, 1)), ((r, n), (q, 1)), True,
        (Store(2, (axis(p), axis(q)), acc(0, F32) + load(3, F32, (axis(q),))),),
    )  # fmt: skip
    weights = np.ones((k, n), np.float32)
    return Case(f"matmul {m}x{n}x{k}", task, 2 * m * n * k, [m * (k + 16), 0, m * (n + 16), n], weights)


def attention(heads: int, queries: int, keys: int, depth: int) -> Case:
    """Heads side by side in each token, as a projection leaves them."""
    row = heads * depth
    q, k = (Slot(F32, (1, heads, n, depth), (n * row, depth, row, 1)) for n in (queries, keys))
    task = AttentionTask((q, k, k, q), depth**-0.5, False, False)
    flops = 4 * heads * queries * keys * depth
    sizes = [queries * row, keys * row, keys * row, queries * row]
    return Case(f"attention {heads} heads {queries}x{keys}x{depth}", task, flops, sizes)


def aligned(size: int) -> np.ndarray[Any, Any]:
    raw = np.zeros(size + 16, np.float32)
    start = -raw.ctypes.data % 64 // 4
    raw[start : start + size] = 0.5
    return raw[start : start + size]


def loaded(emit: Callable[[KernelContext], ir.Function], target: Target) -> Callable[..., None]:
    """The machine code of one kernel, callable."""
    module = ir.Module("benchmark")
    function = emit(KernelContext(module, target, {}))
    function.linkage = ""
    jit = llvm.create_lljit_compiler(target_machine(target))
    code = compile_module(module, target)
    library = llvm.JITLibraryBuilder().add_object_img(code).export_symbol(function.name).link(jit, function.name)
    words = [ctypes.c_void_p] * (len(function.args) - 2) + [ctypes.c_int64] * 2
    call = ctypes.CFUNCTYPE(None, *words)(library[function.name])
    call.keep = (library, jit)  # type: ignore[attr-defined]
    return call


def runner(case: Case, schedule: Schedule, target: Target) -> Callable[[], None]:
    """One call a time, each with the next copy of the weights."""
    template = template_of(case.kernel)
    call = loaded(lambda context: template.emit(context, case.kernel, schedule, "kernel"), target)
    arrays = [aligned(max(1, n)) for n in case.sizes]
    scratch, dims = aligned(template.scratch_bytes(case.kernel, schedule) // 4 + 64), np.zeros(1, np.int64)
    places = [a.ctypes.data for a in arrays]
    copies, step = 1, 0
    if case.weights is not None:
        packed = template.pack(case.kernel, schedule, 1, case.weights)
        copies, step = max(1, ROTATE_BYTES // packed.nbytes), packed.nbytes
        arrays.append(aligned(copies * packed.size))
        places[1] = arrays[-1].ctypes.data
    turn = 0

    def run(keep: object = (arrays, scratch, dims)) -> None:
        nonlocal turn
        turn = (turn + 1) % copies
        slots = [p + turn * step if n == 1 else p for n, p in enumerate(places)]
        call(*slots, dims.ctypes.data, scratch.ctypes.data, 0, 1)

    return run


def multiply_adds(target: Target) -> tuple[Callable[[], None], int]:
    """A loop of independent multiply-adds, and its flops a call."""
    chains, rounds = 12, 40_000
    lanes = target.vector_bytes // 4

    def emit(context: KernelContext) -> ir.Function:
        k = KernelBuilder(context, "peak", 1)
        vector = ir.VectorType(ir.FloatType(), lanes)
        factor = k.load(k.slots[0], vector, 4)
        with k.loop(0, rounds, carried=[ir.Constant(vector, [float(i)] * lanes) for i in range(chains)]) as loop:
            loop.next = [k.multiply_add(factor, factor, c) for c in loop.carried]
        for i, total in enumerate(loop.results):
            k.ir.store(total, k.address(k.slots[0], i * lanes, ir.FloatType()), align=4)
        return k.finish()

    call, memory = loaded(emit, target), aligned(1024)
    return lambda: call(memory.ctypes.data, memory.ctypes.data, memory.ctypes.data, 0, 1), 2 * lanes * chains * rounds


def measure(runs: list[tuple[Callable[[], None], int]], rounds: int) -> list[float]:
    """GFLOP/s of each, from the fastest of `rounds` interleaved bursts of about 2 ms."""
    repeats = []
    for run, _ in runs:
        start = time.perf_counter()
        run()
        repeats.append(max(1, int(0.002 / (time.perf_counter() - start))))
    best = [float("inf")] * len(runs)
    for _ in range(rounds):
        for n, (run, _) in enumerate(runs):
            start = time.perf_counter()
            for _ in range(repeats[n]):
                run()
            best[n] = min(best[n], (time.perf_counter() - start) / repeats[n])
    return [flops / seconds / 1e9 for (_, flops), seconds in zip(runs, best)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default=None)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--candidates", type=int, default=1, help="how many schedules of each to try")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    target = parse_target(options.target) if options.target else best_target()
    peak = multiply_adds(target)
    cases = [convolution(*c) for c in RESNET50] + [product(*p) for p in PRODUCTS] + [attention(*a) for a in ATTENTION]
    print(f"{target}, one core\n{'kernel':34} {'us':>9} {'GFLOP/s':>8} {'of peak':>8}  schedule")
    for case in cases:
        if options.only not in case.name:
            continue
        chosen = template_of(case.kernel).schedules(case.kernel, target, {})[: options.candidates]
        top, *speeds = measure([peak, *((runner(case, s, target), case.flops) for s in chosen)], options.rounds)
        for speed, schedule in zip(speeds, chosen):
            time_us = case.flops / speed / 1e3
            print(f"{case.name:34} {time_us:9.1f} {speed:8.1f} {speed / top:8.0%}  {schedule}", flush=True)


if __name__ == "__main__":
    main()
