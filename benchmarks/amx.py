"""The tile unit (AMX) of this machine: permission, the bits of its products, its peak, and layers as a share of that.

    python benchmarks/amx.py [--only 3x3] [--seconds 120] [--no-bits] [--cold-mb 128] [--all] [--pairs|--bytes|--parts]

Bits: each case of tests/targets/cpu/tile_cases.py and part_cases.py by tiles and by their emulation must agree.
Speed: layers of BERT and ResNet-50 by f32 tiles of registers, by pairs (vdpbf16ps) and by tiles; on one thread and on
two (each its half, without a barrier), the weights in the caches or in rotation through memory. All layers are asked in
turns again and again for the given time, and minima are told, beside the peak of the same turns.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from burnish.devices.cpu import tile_permission
from burnish.devices.cpu.memory import allocate
from burnish.devices.cpu.processor import processor_name, supports
from burnish.dims import known
from burnish.dtypes import DType
from burnish.kernels.contraction_runs import analyse
from burnish.kernels.schedule import Schedule
from burnish.kernels.slot import Slot
from burnish.kernels.task import Contraction, Store
from burnish.ops.language.expr import Axis, Expr, acc, axis, binary, cast, const, load, unary
from burnish.ops.quantize import requantize
from burnish.target import Target, parse_target
from burnish.targets.cpu.builder import I8, I64, KernelBuilder, KernelContext
from burnish.targets.cpu.codegen import compile_module, target_machine
from burnish.targets.cpu.contraction import template as contraction
from burnish.targets.cpu.contraction.pack import pack
from burnish.targets.cpu.contraction.tile_rows import flat_rows
from burnish.targets.cpu.register_tile.matrix import Matrix, Rows, TileRegisters
from burnish.targets.cpu.register_tile.parts import TERMS
from tests.targets.cpu.contractions import Case, check
from tests.targets.cpu.part_cases import PART_CASES, PART_SHAPES, in_parts
from tests.targets.cpu.tile_cases import CASES, SHAPES, in_tiles

F32, BF16, U8 = DType.F32, DType.BF16, DType.U8
TILES = parse_target("cpu:x86-64-v4+amx")
PLAIN = Target("cpu", "x86-64-v4")
PAIRS = Target("cpu", "x86-64-v4", ("bf16", "vnni"))
LARGE = [(1024, 768, 768, "none"), (1024, 3072, 768, "gelu"), (1024, 768, 3072, "none"), (1568, 256, 1024, "relu")]
PRODUCTS = [  # rows, columns, depth, epilogue
    (128, 3072, 768, "gelu"), (128, 768, 3072, "none"), (128, 768, 768, "none"), (128, 512, 768, "none"),
    (197, 768, 768, "none"), (196, 256, 1024, "relu"), (196, 1024, 256, "relu"), (49, 512, 2048, "relu"),
    (49, 2048, 512, "relu"), (784, 128, 512, "relu"), (3136, 64, 64, "relu"), (3136, 256, 64, "relu"),
    (784, 512, 128, "relu"), (3136, 24, 144, "none"), (49, 160, 960, "none"),
    (8, 3072, 768, "none"), (1, 3072, 768, "none"), (1, 1000, 2048, "none"),
]  # fmt: skip
CONVOLUTIONS = [  # size, input and output channels, kernel, stride; the result lies in a halo
    (56, 64, 64, 3, 1), (28, 128, 128, 3, 1), (14, 256, 256, 3, 1), (7, 512, 512, 3, 1), (28, 128, 128, 3, 2),
    (7, 512, 512, 3, 2), (112, 3, 64, 7, 2), (7, 2048, 512, 1, 1), (112, 16, 96, 1, 1), (28, 32, 192, 1, 1),
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Layer:
    name: str
    kernel: Contraction
    elements: tuple[int, ...]  # of each slot in memory; B's are in its own shape
    flops: int


def finished(kind: str, value: Expr) -> Expr:
    if kind == "relu":
        return binary("max", value, const(0.0, value.dtype))
    if kind == "gelu":
        return unary("gelu", value)
    return value


def operands(dtype: DType) -> tuple[DType, DType, DType, DType]:
    """A, B, the result, and what each column has: a bias, or of bytes a scale."""
    return dtype, DType.I8 if dtype is U8 else dtype, dtype, F32


def result(dtype: DType, n: Axis, kind: str) -> Expr:
    """Of floats with bias and activation; bytes by their scale, rounded and limited."""
    own = load(3, F32, (axis(n),))
    if dtype is U8:
        return requantize(binary("unfused_mul", cast(acc(0, DType.I32), F32), own), None, U8)
    return cast(finished(kind, acc(0, F32) + own), dtype)


def product(dtype: DType, m: int, n: int, k: int, kind: str) -> Layer:
    """A dense layer with bias; rows 32 elements apart more than they are long."""
    p, q, r = Axis("m", m), Axis("n", n), Axis("k", k)
    shapes = (((m, k), (k + 32, 1)), ((k, n), (n, 1)), ((m, n), (n + 32, 1)), ((n,), (1,)))
    slots = tuple(Slot(d, *s) for d, s in zip(operands(dtype), shapes))
    task = Contraction(
        slots, (p,), q, (r,), ((p, k + 32), (r, 1)), ((r, n), (q, 1)),
        True, (Store(2, (axis(p), axis(q)), result(dtype, q, kind)),),
    )  # fmt: skip
    name = f"matmul {m}x{k}x{n}{'' if kind == 'none' else ' ' + kind}"
    return Layer(name, task, (m * (k + 32), 0, m * (n + 32), n), 2 * m * n * k)


def convolution(dtype: DType, size: int, c: int, o: int, kernel: int, stride: int) -> Layer:
    """Channels-last, halo and 32 spare channels in memory, bias and ReLU."""
    width, pixel, out_pixel = size * stride + kernel // 2 * 2, c + (32 if c > 3 else 0), o + 32
    row, out_row = pixel * width, out_pixel * (size + 2)
    y, x, n, r, s, i = (Axis(*a) for a in zip("yxnrsc", (size, size, o, kernel, kernel, c)))
    shapes = (((width, width, c), (row, pixel, 1)), ((kernel, kernel, c, o), (kernel * c * o, c * o, o, 1)),
              ((size, size, o), (out_row, out_pixel, 1)), ((o,), (1,)))  # fmt: skip
    value = result(dtype, n, "relu")
    task = Contraction(
        tuple(Slot(d, *t) for d, t in zip(operands(dtype), shapes)), (y, x), n, (r, s, i),
        ((y, row * stride), (x, pixel * stride), (r, row), (s, pixel), (i, 1)),
        ((r, kernel * c * o), (s, c * o), (i, o), (n, 1)), True, (Store(2, (axis(y), axis(x), axis(n)), value),),
    )  # fmt: skip
    name = f"conv {kernel}x{kernel}{f' s{stride}' if stride > 1 else ''} {c}>{o} @{size}"
    return Layer(name, task, (row * width, 0, out_row * (size + 2), o), 2 * size**2 * o * c * kernel**2)


class Code:
    """A kernel in memory, called `count` times with slot 1 moved on by `step` bytes each time."""

    def __init__(self, emit: Callable[[KernelContext], ir.Function], target: Target) -> None:
        module = ir.Module("benchmark")
        kernel = emit(KernelContext(module, target, {}))
        kernel.attributes.add("noinline")
        kind = ir.FunctionType(ir.VoidType(), [*kernel.function_type.args, I64, I64])
        many = ir.Function(module, kind, "many")
        b = ir.IRBuilder(many.append_basic_block("entry"))
        head, done = many.append_basic_block("head"), many.append_basic_block("done")
        *own, count, step = many.args
        entry = b.block
        b.branch(head)
        b.position_at_end(head)
        turn = b.phi(I64)
        turn.add_incoming(I64(0), entry)
        arguments = list(own)
        if len(own) > 5:
            arguments[1] = b.gep(own[1], [b.mul(turn, step)], source_etype=I8)
        b.call(kernel, arguments)
        following = b.add(turn, I64(1))
        turn.add_incoming(following, head)
        b.cbranch(b.icmp_signed("<", following, count), head, done)
        b.position_at_end(done)
        b.ret_void()
        jit = llvm.create_lljit_compiler(target_machine(target))
        code = compile_module(module, target)
        library = llvm.JITLibraryBuilder().add_object_img(code).export_symbol("many").link(jit, "many")
        words = [ctypes.c_void_p] * (len(own) - 2) + [ctypes.c_int64] * 4
        self.call, self.keep = ctypes.CFUNCTYPE(None, *words)(library["many"]), (library, jit)


class Pair:
    """A second thread that waits for work on another core."""

    def __init__(self) -> None:
        self.go, self.done, self.job = threading.Semaphore(0), threading.Semaphore(0), None
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            self.go.acquire()
            self.job(1)  # type: ignore[misc]
            self.done.release()

    def run(self, job: Callable[[int], None]) -> None:
        self.job = job  # type: ignore[assignment]
        self.go.release()
        job(0)
        self.done.acquire()


PAIR = Pair()
Run = Callable[[], float]  # seconds of one product, mean of a burst


def memory(size_bytes: int) -> Any:
    found = allocate(max(size_bytes, 4096))
    found.array(np.uint8, (size_bytes,))[:] = 0
    return found


def runs(layer: Layer, schedule: Schedule, target: Target, weights: Any) -> list[Run]:
    """One thread hot, one cold, two hot, two cold. weights: memory that all layers take B from."""
    code = Code(lambda context: contraction.emit(context, layer.kernel, schedule, "kernel"), target)
    slots = layer.kernel.slots
    empty = np.zeros([known(n) for n in slots[1].shape], slots[1].dtype.numpy)
    packed_bytes = -(-pack(layer.kernel, schedule, 1, empty).nbytes // 4096) * 4096
    copies = max(1, weights.size_bytes // packed_bytes - 1)
    places = [memory(n * s.dtype.size_bytes + 4096) for n, s in zip(layer.elements, slots)]
    places[1] = weights
    first = places[0].array(slots[0].dtype.numpy, (layer.elements[0],))
    first[:] = np.random.default_rng(0).standard_normal(layer.elements[0]).astype(first.dtype)
    scratch = [memory(contraction.scratch_bytes(layer.kernel, schedule) + 4096) for _ in range(2)]
    dims = memory(64)
    addresses = [p.address for p in places]

    def timed(threads: int, count: int, step: int) -> float:
        def job(thread: int) -> None:
            code.call(*addresses, dims.address, scratch[thread].address, thread, threads, count, step)

        start = time.perf_counter()
        job(0) if threads == 1 else PAIR.run(job)
        return (time.perf_counter() - start) / count

    once = min(timed(1, 1, 0) for _ in range(3))
    hot, cold = max(1, int(2e-3 / once)), min(copies, max(1, int(6e-3 / once)))
    keep = (places, scratch, dims)
    return [
        lambda t=t, c=c, s=s, keep=keep: timed(t, c, s)  # type: ignore[misc]
        for t in (1, 2)
        for c, s in ((hot, 0), (cold, packed_bytes))
    ]


def peaks(dtype: DType) -> tuple[list[Run], int]:
    """Products of tiles from registers, on one thread and on two, and the operations of one."""
    rounds = 20_000

    def emit(context: KernelContext) -> ir.Function:
        k = KernelBuilder(context, "peak", 1)
        unit = TileRegisters(k, Matrix(dtype, BF16 if dtype is BF16 else DType.I8, 2, 2, k.i64(16), 64))
        unit.begin(k.scratch)
        sums = Rows(k.slots[0], k.i64(128))
        unit.clear(sums)
        for tile in range(4, 8):
            k.call("llvm.x86.tilezero", ir.VoidType(), [I8(tile)])
        with k.loop(0, rounds):
            for r in range(2):
                for c in range(2):
                    unit._multiply(r, c, 6 + r, 4 + c)
        unit.keep(sums)
        unit.end()
        return k.finish()

    code, places = Code(emit, TILES), [memory(8192) for _ in range(4)]

    def timed(threads: int) -> float:
        def job(thread: int) -> None:
            own = places[2 * thread : 2 * thread + 2]
            code.call(own[0].address, own[0].address, own[1].address, thread, threads, 5, 0)

        start = time.perf_counter()
        job(0) if threads == 1 else PAIR.run(job)
        return (time.perf_counter() - start) / 5

    operations = 4 * rounds * 2 * 16 * 16 * (64 // dtype.size_bytes)
    return [lambda: timed(1), lambda: timed(2)], operations


def best_of(every: Sequence[Run], seconds: float) -> list[float]:
    """The fastest burst of each, all in turns for so long."""
    found, end = [float("inf")] * len(every), time.perf_counter() + seconds
    while time.perf_counter() < end:
        for n, run in enumerate(every):
            found[n] = min(found[n], run())
    return found


def bits() -> None:
    """Tiles against their emulation."""
    wrong = 0
    for name, case in CASES.items():
        flat = flat_rows(analyse(case.kernel)) is not None
        for n, (rows, vectors) in enumerate(SHAPES):
            schedule = in_tiles(case, rows, vectors, block=n % 3, spread=(0, 2)[n % 2], fold=flat and n < 4)
            wrong += differs(name, case, schedule)
    for name, case in PART_CASES.items():
        for n, (rows, vectors) in enumerate(PART_SHAPES):
            schedule = in_parts(case, rows, vectors, block=1 + n, spread=(0, 2)[n % 2])
            wrong += differs(name, case, schedule)
    count = len(CASES) * len(SHAPES) + len(PART_CASES) * len(PART_SHAPES)
    print(f"bits: {count} products by tiles, {wrong} differ from their emulation", flush=True)


def differs(name: str, case: Case, schedule: Schedule) -> bool:
    """Do tiles give other bits than their emulation? If so, say which."""
    emulated = check(case, schedule, PLAIN, (1,))
    try:
        check(dataclasses.replace(case, expected=emulated, tolerance=0.0), schedule, TILES, (1, 2))
    except AssertionError as error:
        print(f"  DIFFERS: {name} {schedule}: {str(error).splitlines()[:4]}")
        return True
    return False


def in_form(kernel: Contraction, target: Target, forms: Sequence[str]) -> Schedule:
    return next(s for s in contraction.schedules(kernel, target, {}) if s["form"] in forms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="layers whose name contains this")
    parser.add_argument("--seconds", type=float, default=120, help="how long layers are measured")
    parser.add_argument("--no-bits", action="store_true", help="measure only")
    parser.add_argument("--cold-mb", type=int, default=128, help="weights that pass before the same come again")
    parser.add_argument("--all", action="store_true", help="every schedule in tiles, not the first alone")
    parser.add_argument("--pairs", action="store_true", help="vdpbf16ps too")
    parser.add_argument("--bytes", action="store_true", help="u8 by i8 to u8 too")
    parser.add_argument("--parts", action="store_true", help="f32 by three bf16 parts too: six products of tiles each")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    load = " ".join(f"{x:.1f}" for x in os.getloadavg())
    print(f"{processor_name()}, load {load}; permission: {tile_permission.refusal() or 'granted'}", flush=True)
    if lacking := supports(TILES):
        raise SystemExit(f"no tiles here: {', '.join(lacking)}")
    if not options.no_bits:
        bits()
    peak, products = peaks(BF16)
    bytes_peak, bytes_products = peaks(U8)
    shown, every = list[tuple[str, str, int]](), [*peak, *bytes_peak]
    weights = memory((options.cold_mb + 16) << 20)
    weights.array(np.uint16, (weights.size_bytes // 2,))[:] = 0x3C01  # small in bf16 and in f32 alike
    for layer, target, schedule in chosen(options):
        told = "bytes " * (layer.kernel.slots[0].dtype is U8)
        told += f"{schedule['form']} {schedule['rows']}x{schedule['vectors']}"
        told += ("", " fold", " flat")[bool(schedule["fold"]) * (2 - schedule["axis"])]
        terms = len(TERMS) if schedule["form"] == "parts" else 1
        told += f" spread {schedule['spread']} block {schedule['block']}"
        shown.append((layer.name, told, layer.flops * terms))
        every += runs(layer, schedule, target, weights)
    one, two, bytes_one, bytes_two, *times = best_of(every, options.seconds)
    for name, work, alone, both in (("bf16", products, one, two), ("bytes", bytes_products, bytes_one, bytes_two)):
        print(f"peak of {name}: {work / alone / 1e12:.2f} T on one thread, {2 * work / both / 1e12:.2f} T on two")
    narrow = [products / one, products / one, 2 * products / two, 2 * products / two]
    of_bytes = [bytes_products / bytes_one] * 2 + [2 * bytes_products / bytes_two] * 2
    print(f"{'us, and the share of the peak of as many threads':46} 1 hot       1 cold      2 hot       2 cold")
    for n, (name, told, flops) in enumerate(shown):
        tops = of_bytes if told.startswith("bytes") else narrow
        cells = [f"{t * 1e6:6.1f} {flops / t / top:4.0%}" for t, top in zip(times[4 * n : 4 * n + 4], tops)]
        if n == 0 or shown[n - 1][0] != name:
            print(name)
        print(f"    {told:40}  {' '.join(cells)}", flush=True)


def chosen(options: argparse.Namespace) -> list[tuple[Layer, Target, Schedule]]:
    """What is measured: each layer in f32, and in bf16 by the forms that were asked for."""
    found = []
    for make, rows in ((product, [*PRODUCTS, *(LARGE if options.parts else ())]), (convolution, CONVOLUTIONS)):
        for row in rows:
            wide, narrow = make(F32, *row), make(BF16, *row)
            if options.only not in wide.name:
                continue
            found.append((wide, PLAIN, in_form(wide.kernel, PLAIN, ("tile",))))
            if options.parts:
                parts = (s for s in contraction.schedules(wide.kernel, TILES, {}) if s["form"] == "parts")
                found += [(wide, TILES, s) for s in list(parts)[: None if options.all else 1]]
            if options.pairs:
                found.append((narrow, PAIRS, in_form(narrow.kernel, PAIRS, ("pairs",))))
            for layer in (narrow, make(U8, *row)) if options.bytes else (narrow,):
                tiles = [s for s in contraction.schedules(layer.kernel, TILES, {}) if s["form"] == "tiles"]
                found += [(layer, TILES, s) for s in tiles[: None if options.all else 1]]
    return found


if __name__ == "__main__":
    main()
