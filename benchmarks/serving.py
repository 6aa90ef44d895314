"""Whole servers beside each other: an identity model, 1x64 f32, asked by Triton's own aio clients over HTTP and gRPC.

    python benchmarks/serving.py [--triton VENV] [--rounds 5] [--seconds 1.5] [--alone]

In turns: each round starts every server anew, in another order, and measures the time from start to ready, requests/s
with 1, 8 and 32 requests in flight over both protocols, what the server's processes compute for each request, and
resident memory at the end. Servers: `burnish serve` with a plan, `burnish serve` with a Python model, and with --triton
a virtual environment that has nvidia-pytriton: its tritonserver with the same Python model and dynamic batching.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from alone import preferred
from onnx import TensorProto, helper, save_model

import burnish

LEAD_S = 0.6  # warms up, and outlives what a server has noticed of work beside it
HOST, IN_FLIGHT, PROTOCOLS = "127.0.0.1", (1, 8, 32), ("http", "grpc")
CONFIG = """max_batch_size: 64 dynamic_batching { }
input { name: "IN" data_type: TYPE_FP32 dims: [ 64 ] } output { name: "OUT" data_type: TYPE_FP32 dims: [ 64 ] }
"""
MODEL = """
import triton_python_backend_utils as pb
class TritonPythonModel:
    def execute(self, requests):
        given = [pb.get_input_tensor_by_name(r, "IN").as_numpy() for r in requests]
        return [pb.InferenceResponse([pb.Tensor("OUT", array)]) for array in given]
"""


def repositories(folder: Path) -> dict[str, Path]:
    """One with the identity as a plan, one with it as a Python model."""
    for kind, backend in (("plan", "burnish"), ("python", "python")):
        (folder / kind / "m" / "1").mkdir(parents=True)
        (folder / kind / "m" / "config.pbtxt").write_text(f'backend: "{backend}" {CONFIG}')
    tensors = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 64]) for n in ("IN", "OUT")]
    graph = helper.make_graph([helper.make_node("Identity", ["IN"], ["OUT"])], "identity", tensors[:1], tensors[1:])
    save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), folder / "m.onnx")
    plan = burnish.build(folder / "m.onnx", profile={"IN": ((1, 64), (8, 64), (64, 64))})
    plan.save(folder / "plan" / "m" / "1" / "model.plan")
    (folder / "python" / "m" / "1" / "model.py").write_text(MODEL)
    return {kind: folder / kind for kind in ("plan", "python")}


def triton_command(venv: Path, repository: Path, ports: dict[str, int]) -> list[str]:
    (package,) = venv.glob("lib/python3*/site-packages/pytriton/tritonserver")
    stub = package / "python_backend_stubs" / package.parts[-4].removeprefix("python") / "triton_python_backend_stub"
    if not (package / "backends/python/triton_python_backend_stub").exists():
        shutil.copy(stub, package / "backends/python")
    flags = [f"--model-repository={repository}", f"--backend-directory={package}/backends", "--log-info=false"]
    flags += [f"--{p}-{what}" for p in PROTOCOLS for what in (f"address={HOST}", f"port={ports[p]}")]
    return [str(package / "bin/tritonserver"), *flags, "--allow-metrics=false"]


def burnish_command(repository: Path, ports: dict[str, int]) -> list[str]:
    flags = [f"--{p}-port={ports[p]}" for p in PROTOCOLS]
    return [sys.executable, "-m", "burnish", "serve", str(repository), "--host", HOST, *flags, "--metrics-port", "0"]


async def load(protocol: str, port: int, in_flight: int, seconds: float) -> int:
    """How many requests were answered."""
    if protocol == "http":
        import tritonclient.http as plain
        import tritonclient.http.aio as aio
    else:
        import tritonclient.grpc as plain
        import tritonclient.grpc.aio as aio
    data, count, end = np.zeros((1, 64), np.float32), 0, time.perf_counter() + seconds
    options: dict[str, Any] = {"conn_limit": 64} if protocol == "http" else {}

    async def one(client: Any) -> None:
        nonlocal count
        while time.perf_counter() < end:
            given = plain.InferInput("IN", [1, 64], "FP32")
            given.set_data_from_numpy(data)
            (await client.infer("m", [given])).as_numpy("OUT")
            count += 1

    async with aio.InferenceServerClient(f"{HOST}:{port}", **options) as client:
        await asyncio.gather(*(one(client) for _ in range(in_flight)))
    return count


def family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def computed_s(pid: int) -> float:
    return sum(sum(p.cpu_times()[:2]) for p in family(pid))


def wait_until_ready(port: int) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"http://{HOST}:{port}/v2/health/ready", timeout=5).read()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.005)


def run_once(
    command: list[str], ports: dict[str, int], seconds: float, environment: dict[str, str], alone: bool
) -> dict[str, float]:
    found: dict[str, float] = {}
    nowhere = subprocess.DEVNULL
    children = psutil.Process().children

    def turn() -> contextlib.AbstractContextManager[None]:
        return preferred(lambda: [p.pid for p in children(recursive=True)]) if alone else contextlib.nullcontext()

    with contextlib.ExitStack() as stack:
        with turn():
            start = time.perf_counter()
            server = stack.enter_context(subprocess.Popen(command, stdout=nowhere, stderr=nowhere, env=environment))
            stack.callback(server.terminate)
            wait_until_ready(ports["http"])
            found["ready s"] = time.perf_counter() - start
        for protocol in PROTOCOLS:
            for in_flight in IN_FLIGHT:
                with turn():
                    asyncio.run(load(protocol, ports[protocol], in_flight, LEAD_S))
                    before, start = computed_s(server.pid), time.perf_counter()
                    count = asyncio.run(load(protocol, ports[protocol], in_flight, seconds))
                    took = time.perf_counter() - start
                found[f"{protocol} {in_flight}"] = count / took
                found[f"{protocol} {in_flight} us"] = (computed_s(server.pid) - before) / count * 1e6
                if alone:
                    time.sleep(seconds + LEAD_S)  # the others' turn
        found["resident MiB"] = sum(p.memory_info().rss for p in family(server.pid)) / 2**20
    return found


def free_port() -> int:
    """Below those that the system gives to others' connections until the server takes it."""
    while True:
        port = random.randrange(10_000, 30_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


def show(found: dict[str, list[dict[str, float]]]) -> None:
    print(
        "| server | " + " | ".join(f"{p} {n}" for p in PROTOCOLS for n in IN_FLIGHT) + " | ready, s | resident, MiB |"
    )
    print("|---|" + "---|" * (len(PROTOCOLS) * len(IN_FLIGHT) + 2))
    for name, rounds in found.items():
        cells = []
        for key in [f"{p} {n}" for p in PROTOCOLS for n in IN_FLIGHT]:
            rates, cost = sorted(r[key] for r in rounds), statistics.median(r[f"{key} us"] for r in rounds)
            cells.append(f"{statistics.median(rates):,.0f} ({rates[0]:,.0f} to {rates[-1]:,.0f}); {cost:.0f} us")
        cells.append(f"{statistics.median(r['ready s'] for r in rounds):.2f}")
        cells.append(f"{statistics.median(r['resident MiB'] for r in rounds):.0f}")
        print(f"| {name} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--triton", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--alone", action="store_true", help="measure at real-time priority, in turns with other work")
    args = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        kinds = repositories(Path(folder))
        servers = ["burnish, a plan", "burnish, a Python model", *(["Triton, a Python model"] if args.triton else [])]
        for round_ in range(args.rounds):
            for name in random.sample(servers, len(servers)):
                ports = {protocol: free_port() for protocol in PROTOCOLS}
                environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
                if name.startswith("Triton"):
                    environment["PATH"] = f"{args.triton}/bin:{environment['PATH']}"  # its stub looks for Python there
                    command = triton_command(args.triton, kinds["python"], ports)
                else:
                    command = burnish_command(kinds["plan" if "plan" in name else "python"], ports)
                found.setdefault(name, []).append(run_once(command, ports, args.seconds, environment, args.alone))
                print(f"round {round_ + 1}: {name}", file=sys.stderr)
    show({name: found[name] for name in servers})


if __name__ == "__main__":
    main()
