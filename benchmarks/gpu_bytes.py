"""Products and convolutions of bytes on one GPU, each a plan of one launch: bits, time, share of the peak.

    python benchmarks/gpu_bytes.py [--only gemm8192,conv3x3] [--budget 10] [--rounds 5]
    python benchmarks/gpu_bytes.py --only resnet50@128 [--layers]          a whole network, quantised on random images

Each case is a QDQ model (u8 data, i8 weights by channel, u8 result; images with channels innermost). Its answer is
compared with that of a plan for this machine's CPU, all bits. torch's product of the same size (`_int_mm`, i32 results)
takes turns with it; for a convolution the peer is torch's in fp16, as it has none of bytes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper

sys.path.insert(0, str(Path(__file__).parents[1]))

import burnish
from burnish.calibration import calibrate
from tests.end_to_end.architectures import FULL

PEAK = 1979e12  # dense operations a second of an H200, with bytes


@dataclass(frozen=True)
class Case:
    """A product (rows, depth, columns), or a convolution (batch, channels, pixels, columns, taps, stride)."""

    name: str
    sizes: tuple[int, ...]
    residual: bool = False
    float8: bool = False

    @property
    def is_product(self) -> bool:
        return len(self.sizes) == 3

    @property
    def operations(self) -> float:
        if self.is_product:
            return 2.0 * self.sizes[0] * self.sizes[1] * self.sizes[2]
        batch, channels, pixels, columns, taps, stride = self.sizes
        return 2.0 * batch * (pixels // stride) ** 2 * channels * columns * taps**2


CASES = (
    Case("gemm8192", (8192, 8192, 8192)),
    Case("gemm8192f8", (8192, 8192, 8192), float8=True),
    Case("gemm4096f8", (4096, 1024, 4096), float8=True),
    Case("conv3x3", (128, 64, 56, 64, 3, 1)),
    Case("conv1x1", (128, 256, 56, 64, 1, 1)),
    Case("conv3x3s3", (128, 256, 14, 256, 3, 1)),
    Case("gemm4096", (4096, 1024, 4096)),
    Case("conv1x1r", (128, 64, 56, 256, 1, 1), residual=True),
)


def model_of(case: Case) -> tuple[onnx.ModelProto, dict[str, np.ndarray[Any, Any]]]:
    """The QDQ model and its input."""
    random = np.random.default_rng(0)
    if case.is_product:
        rows, depth, columns = case.sizes
        x_shape, w_shape, axis, out = (rows, depth), (depth, columns), 1, (rows, columns)
    else:
        batch, channels, pixels, columns, taps, stride = case.sizes
        depth = channels * taps * taps
        x_shape, w_shape, axis = (batch, pixels, pixels, channels), (columns, channels, taps, taps), 0
        out = (batch, pixels // stride, pixels // stride, columns)
    scale = random.uniform(0.5, 1.5, columns).astype(np.float32) / (20 * depth**0.5)
    weights = {
        "w": random.integers(-127, 128, w_shape, dtype=np.int8),
        "ws": scale,
        "wz": np.zeros(columns, np.int8),
        "xs": np.float32(1 / 64),
        "z": np.uint8(0),
        "ys": np.float32(0.1),
    }
    if case.float8:
        return _float8_model(case, random)
    nodes = [
        helper.make_node("DequantizeLinear", ["x" if case.is_product else "xc", "xs", "z"], ["xf"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wf"], axis=axis),
    ]
    if case.is_product:
        nodes.append(helper.make_node("MatMul", ["xf", "wf"], ["y"]))
    else:
        pads, strides = [taps // 2] * 4, [stride] * 2
        nodes.insert(0, helper.make_node("Transpose", ["x"], ["xc"], perm=[0, 3, 1, 2]))
        nodes.append(helper.make_node("Conv", ["xf", "wf"], ["y"], pads=pads, strides=strides))
    feeds = {"x": random.integers(0, 256, x_shape, dtype=np.uint8)}
    inputs = [helper.make_tensor_value_info("x", TensorProto.UINT8, x_shape)]
    if case.residual:
        nodes.append(helper.make_node("Transpose", ["r"], ["rc"], perm=[0, 3, 1, 2]))
        nodes.append(helper.make_node("DequantizeLinear", ["rc", "ys", "z"], ["rf"]))
        nodes.append(helper.make_node("Add", ["y", "rf"], ["sum"]))
        feeds["r"] = random.integers(0, 256, out, dtype=np.uint8)
        inputs.append(helper.make_tensor_value_info("r", TensorProto.UINT8, out))
    nodes.append(helper.make_node("Relu", ["sum" if case.residual else "y"], ["relu"]))
    nodes.append(helper.make_node("QuantizeLinear", ["relu", "ys", "z"], ["out" if case.is_product else "outc"]))
    if not case.is_product:
        nodes.append(helper.make_node("Transpose", ["outc"], ["out"], perm=[0, 2, 3, 1]))
    graph = helper.make_graph(
        nodes,
        case.name,
        inputs,
        [helper.make_tensor_value_info("out", TensorProto.UINT8, out)],
        [onnx.numpy_helper.from_array(np.asarray(a), n) for n, a in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), feeds


def _float8_model(case: Case, random: np.random.Generator) -> tuple[onnx.ModelProto, dict[str, np.ndarray[Any, Any]]]:
    """A product of float8 by float8 with a scale for each column, into float8."""
    rows, depth, columns = case.sizes
    kind = TensorProto.FLOAT8E4M3FN

    def codes(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        return random.standard_normal(shape, np.float32).astype(ml_dtypes.float8_e4m3fn)

    def constant(name: str, array: np.ndarray[Any, Any]) -> onnx.TensorProto:
        return helper.make_tensor(name, kind, array.shape, array.tobytes(), raw=True)

    zero, scale = np.zeros((), ml_dtypes.float8_e4m3fn), random.uniform(0.5, 1.5, columns).astype(np.float32)
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "xs", "z"], ["xf"]),
        helper.make_node("DequantizeLinear", ["w", "ws"], ["wf"], axis=1),
        helper.make_node("MatMul", ["xf", "wf"], ["y"]),
        helper.make_node("QuantizeLinear", ["y", "ys", "z"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        case.name,
        [helper.make_tensor_value_info("x", kind, (rows, depth))],
        [helper.make_tensor_value_info("out", kind, (rows, columns))],
        [
            constant("w", codes((depth, columns))),
            constant("z", zero),
            onnx.numpy_helper.from_array(scale, "ws"),
            onnx.numpy_helper.from_array(np.float32(1), "xs"),
            onnx.numpy_helper.from_array(np.float32(depth**0.5 / 50), "ys"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return model, {"x": codes((rows, depth))}


def peer_of(case: Case) -> Callable[[int], list[float]] | None:
    """torch's times in ms, for a number of runs; None without torch."""
    try:
        import torch
    except ImportError:
        return None
    if case.float8:
        rows, depth, columns = case.sizes
        a = torch.randn(rows, depth, device="cuda").to(torch.float8_e4m3fn)
        b = torch.randn(columns, depth, device="cuda").to(torch.float8_e4m3fn).t()
        one = torch.ones((), device="cuda")

        def run() -> Any:
            return torch._scaled_mm(a, b, one, one, out_dtype=torch.float16, use_fast_accum=True)
    elif case.is_product:
        rows, depth, columns = case.sizes
        a = torch.randint(-127, 127, (rows, depth), dtype=torch.int8, device="cuda")
        b = torch.randint(-127, 127, (columns, depth), dtype=torch.int8, device="cuda").t()

        def run() -> Any:
            return torch._int_mm(a, b)
    else:
        batch, channels, pixels, columns, taps, stride = case.sizes
        x = torch.randn(batch, channels, pixels, pixels, dtype=torch.half, device="cuda")
        x = x.to(memory_format=torch.channels_last)
        conv = torch.nn.Conv2d(channels, columns, taps, stride, taps // 2, dtype=torch.half, device="cuda")
        conv = conv.to(memory_format=torch.channels_last)
        torch.backends.cudnn.benchmark = True

        def run() -> Any:
            with torch.no_grad():
                return torch.relu(conv(x))

    return lambda runs: timed(run, runs)


def timed(run: Callable[[], Any], runs: int) -> list[float]:
    """ms of each run, in a CUDA graph."""
    import torch

    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    events = [torch.cuda.Event(enable_timing=True) for _ in range(runs + 1)]
    events[0].record()
    for event in events[1:]:
        graph.replay()
        event.record()
    torch.cuda.synchronize()
    return [a.elapsed_time(b) for a, b in pairwise(events)]


def measure(case: Case, options: argparse.Namespace) -> None:
    """Build, compare, time; print a line."""
    model, feeds = model_of(case)
    start = time.perf_counter()
    plan = burnish.build(
        model,
        target="cuda",
        opt_level=options.opt_level,
        tune_budget=options.budget,
        timing_cache=options.cache or None,
    )
    built = time.perf_counter() - start
    (variant,) = plan.manifest.variants
    expected = None
    if options.compare:
        with burnish.load(burnish.build(model, target="cpu"), device="cpu") as engine:
            expected = np.array(engine(**feeds)["out"]).view(np.uint8)
    peer = peer_of(case) if options.peer else None
    ours, theirs = list[float](), list[float]()
    with burnish.load(plan, device="cuda") as engine, engine.create_context() as context:
        found = np.array(context(**feeds)["out"]).view(np.uint8)
        runs = max(10, min(200, int(2e14 / case.operations)))
        for turn in range(options.rounds + 1):
            times = [float(t) for t in context.time(feeds, runs)]
            other = peer(runs) if peer else []
            if turn:
                ours += times
                theirs += other
    different = "" if expected is None else f"{np.count_nonzero(found != expected)} of {found.size} bytes differ | "
    median = statistics.median(ours)
    rate = case.operations / median * 1e3
    beside = f"torch {statistics.median(theirs):.4f} ms" if theirs else ""
    print(
        f"{case.name}: {median:.4f} ms ({rate / 1e12:.0f} TOP/s, {100 * rate / PEAK:.0f} % of peak) {beside} | "
        f"{different}{len(variant.launches)} launches, built in {built:.0f} s | "
        f"{[x.tactic for x in variant.launches]}",
        flush=True,
    )


@cache
def calibrated(name: str) -> tuple[Any, Any]:
    """The model of an architecture, and the ranges of two random images."""
    architecture = FULL[name]
    model = architecture.make()
    return model, calibrate(model, [architecture.feeds(1, seed=seed) for seed in (1, 2)], method="minmax")


def measure_network(name: str, batch: int, options: argparse.Namespace) -> None:
    """A standard architecture in int8: bits, time, and the time of each launch."""
    architecture = FULL[name]
    model, ranges = calibrated(name)
    feeds = architecture.feeds(batch)
    shapes = {key: array.shape for key, array in feeds.items()}
    known: dict[str, Any] = {"ranges": ranges, "precision": options.precision}
    start = time.perf_counter()
    tuning = {"opt_level": options.opt_level, "tune_budget": options.budget if options.opt_level else None}
    plan = burnish.build(model, target="cuda", shapes=shapes, timing_cache=options.cache or None, **known, **tuning)
    built = time.perf_counter() - start
    (variant,) = plan.manifest.variants
    expected: dict[str, Any] = {}
    if options.compare:
        with burnish.load(burnish.build(model, target="cpu", shapes=shapes, **known), device="cpu") as engine:
            expected = {key: np.array(array) for key, array in engine(**feeds).items()}
    with burnish.load(plan, device="cuda") as engine, engine.create_context() as context:
        found = {key: np.array(array) for key, array in context(**feeds).items()}
        runs = max(20, min(100, 20_000 // batch))
        times = [float(t) for _ in range(options.rounds + 1) for t in context.time(feeds, runs)][runs:]
        rows = context.profile(feeds, iterations=20) if options.layers else []
    equal = {key: f"{np.count_nonzero(found[key] != a)} of {a.size} differ" for key, a in expected.items()}
    median = statistics.median(times)
    rate = f"{median:.4f} ms, {batch / median * 1e3:.0f}/s"
    print(f"{name} b{batch}: {rate} | {equal} | {len(variant.launches)} launches, built in {built:.0f} s", flush=True)
    for row, launch in zip(rows, variant.launches):
        print(f"  {1e3 * row.ms:7.2f} us {launch.name[-40:]} {_short(launch.tactic)}")


def _short(tactic: str) -> str:
    """A tactic without the options that are off."""
    return " ".join(word for word in tactic.split() if not word.endswith(("=False", "=0", "=ieee", "=")))


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Products of bytes on one GPU.")
    parser.add_argument("--only", default="")
    parser.add_argument("--budget", type=float, default=10.0)
    parser.add_argument("--opt-level", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", default="")
    parser.add_argument("--precision", default="int8")
    parser.add_argument("--layers", action="store_true")
    parser.add_argument("--compare", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args(arguments)
    for word in options.only.split(","):
        if "@" in word:
            name, _, batch = word.partition("@")
            measure_network(name, int(batch), options)
    for case in CASES:
        if not options.only or case.name in options.only.split(","):
            try:
                measure(case, options)
            except Exception as error:
                print(f"{case.name}: {type(error).__name__}: {str(error)[:600]}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
