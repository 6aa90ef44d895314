"""Products whose weights have few bits (MatMulNBits), beside ONNX Runtime and OpenVINO and the memory's own speed.

    python benchmarks/few_bits.py [--threads 1] [--bits 4] [--block 32] [--rows 1,4,32,128] [--openvino PYTHON]

Each contender has a process of its own and answers in turns, with real-time priority while it is asked (alone.py), so
that a busy machine disturbs all alike. Times are 10th percentiles. ONNX Runtime runs with accuracy_level 0, which
computes in f32 as we do, and with 4, which turns the data into int8; OpenVINO without its dynamic quantisation and with
it, which is its default and does the same. PYTHON: an interpreter that has OpenVINO.
GB/s: bytes of codes and f32 scales that one run reads; the floor is what a sum over a large array reaches.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
SHAPES = [(2048, 2048), (4096, 4096), (4096, 11008)]
SECONDS = 0.3  # of one turn; alone.py asks for less than one, and for as long in between


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--block", type=int, default=32)
    parser.add_argument("--rows", default="1,4,32,128")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--openvino", default="")
    parser.add_argument("--target", default="cpu")
    options = parser.parse_args(arguments)
    print(f"{options.threads} threads, {options.bits} bits in blocks of {options.block}, target {options.target}")
    print("K x N x rows         ours us  GB/s (of memory's)  |  contender: us (times as long as ours)")
    for depth, columns in SHAPES:
        for rows in (int(r) for r in options.rows.split(",")):
            compare(depth, columns, rows, options)


def compare(depth: int, columns: int, rows: int, options: argparse.Namespace) -> None:
    """One line: every contender on one product."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{level}.onnx" for level in (0, 4)]
        for level, path in zip((0, 4), paths):
            write_model(path, depth, columns, rows, options.bits, options.block, level)
        python, threads = sys.executable, str(options.threads)
        workers = {
            "ours": Worker([python, "burnish", str(paths[0]), threads, options.target]),
            "ONNX Runtime": Worker([python, "onnxruntime", str(paths[0]), threads, ""]),
            "with int8 data": Worker([python, "onnxruntime", str(paths[1]), threads, ""]),
            "memory": Worker([python, "memory", str(paths[0]), threads, ""]),
        }
        if options.openvino:
            for name, group in (("OpenVINO", "0"), ("its int8 data", "32")):
                workers[name] = Worker([options.openvino, "openvino", str(paths[0]), threads, group])
        for worker in workers.values():  # they load at the same time
            worker.is_ready = worker.ask() == "ready\n"
        for _ in range(options.rounds):
            for worker in workers.values():
                worker.turn()
        found = {name: worker.close() for name, worker in workers.items()}
    ours, floor = found.pop("ours"), found.pop("memory")
    read = depth * columns * (options.bits / 8 + 4 / options.block)
    speed, most = read / ours["seconds"] / 1e9, floor["bytes"] / floor["seconds"] / 1e9
    others = "   ".join(
        f"{name}: {them['seconds'] * 1e6:.0f} ({them['seconds'] / ours['seconds']:.2f}x, {them['peak_mib']:.0f} MiB)"
        if them
        else f"{name}: none"
        for name, them in found.items()
    )
    share = f"{speed:.1f} ({speed / most:.0%})"
    size = f"plan {ours['plan_mib']:.1f} MiB, peak {ours['peak_mib']:.0f} MiB"
    print(
        f"{depth} x {columns} x {rows:<4} {ours['seconds'] * 1e6:>10.0f}  {share:<12} {size}  |  {others}", flush=True
    )


class Worker:
    """A process that runs one contender when it is asked to."""

    def __init__(self, command: Sequence[str]) -> None:
        line = [command[0], __file__, "--worker", *command[1:]]
        self.process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.is_ready = True

    def ask(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def turn(self) -> None:
        if self.is_ready:
            with alone(self.process.pid):
                self._send("run")
                self.ask()
            time.sleep(SECONDS)

    def close(self) -> dict[str, float]:
        if not self.is_ready:
            return {}
        self._send("end")
        found: dict[str, float] = json.loads(self.ask())
        self.process.wait()
        return found

    def _send(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()


def alone(pid: int) -> Any:
    """Real-time priority where the user may have it."""
    from benchmarks.alone import preferred

    try:
        with preferred(lambda: [pid]):
            pass
    except PermissionError:
        return nullcontext()
    return preferred(lambda: [pid])


def work(kind: str, path: str, threads: int, target: str) -> None:
    """In a worker: make the contender ready, then run it for each line on standard input."""
    run, extra = CONTENDERS[kind](path, threads, target)
    for _ in range(3):
        run()
    print("ready", flush=True)
    times: list[float] = []
    for line in sys.stdin:
        if line.strip() == "end":
            break
        end = time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        print("done", flush=True)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(int(row.split()[1]) for row in status.splitlines() if row.startswith("VmHWM"))
    print(json.dumps({"seconds": float(np.percentile(times, 10)), "peak_mib": peak / 1024, **extra}), flush=True)


def ours(path: str, threads: int, target: str) -> tuple[Callable[[], Any], dict[str, float]]:
    """The plan is built by another process, so that the peak is that of running it."""
    built = path.replace(".onnx", ".plan")
    make = f"import burnish; burnish.build({path!r}, target={target!r}).save({built!r})"
    subprocess.run([sys.executable, "-c", make], check=True, stdout=subprocess.DEVNULL)
    import burnish

    engine, x = burnish.load(built, threads=threads), data(path)
    return lambda: engine(x=x), {"plan_mib": Path(built).stat().st_size / (1 << 20)}


def onnxruntime(path: str, threads: int, target: str) -> tuple[Callable[[], Any], dict[str, float]]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session, x = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"]), data(path)
    return lambda: session.run(None, {"x": x}), {}


def openvino(path: str, threads: int, target: str) -> tuple[Callable[[], Any], dict[str, float]]:
    import openvino as ov

    options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    options["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = int(target)
    request = ov.Core().compile_model(path, "CPU", options).create_infer_request()
    x = data(path)
    return lambda: request.infer({"x": x}), {}


def memory(path: str, threads: int, target: str) -> tuple[Callable[[], Any], dict[str, float]]:
    """Each thread reads 64 MiB by a product of vectors, which is two loads and a multiply-add."""
    from concurrent.futures import ThreadPoolExecutor

    half, pool = np.ones((threads, 2, 1 << 23), np.float32), ThreadPoolExecutor(threads)
    return lambda: list(pool.map(lambda pair: pair[0] @ pair[1], half)), {"bytes": float(half.nbytes)}


CONTENDERS = {"burnish": ours, "onnxruntime": onnxruntime, "openvino": openvino, "memory": memory}


def data(path: str) -> Any:
    rows, depth = np.load(path + ".npy")
    return np.random.default_rng(1).standard_normal((rows, depth)).astype(np.float32)


def write_model(path: Path, depth: int, columns: int, rows: int, bits: int, block: int, level: int) -> None:
    """One MatMulNBits, symmetric."""
    from onnx import helper, numpy_helper, save

    random, blocks = np.random.default_rng(0), -(-depth // block)
    arrays = {
        "w": random.integers(0, 256, (columns, blocks, block * bits // 8)).astype(np.uint8),
        "s": (random.standard_normal(columns * blocks) / 20).astype(np.float32),
    }
    attributes = {"K": depth, "N": columns, "bits": bits, "block_size": block, "accuracy_level": level}
    graph = helper.make_graph(
        [helper.make_node("MatMulNBits", ["x", *arrays], ["y"], domain="com.microsoft", **attributes)],
        "product",
        [helper.make_tensor_value_info("x", 1, [rows, depth])],
        [helper.make_tensor_value_info("y", 1, [rows, columns])],
        [numpy_helper.from_array(a, name) for name, a in arrays.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    np.save(str(path) + ".npy", np.array([rows, depth]))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
    else:
        main(sys.argv[1:])
