"""One model asked for more than it can give: what another model's latency has to do with it.

    python benchmarks/serving_fairness.py MODEL.onnx --input data_0:3x224x224 [--rounds 12] [--seconds 0.8]

Two models, `calm` and `loud`, from the same file, one thread each; their images come in the body of the request. `calm`
is asked at a fixed rate. Beside it `loud` is asked by nobody, by as many connections as keep it busy (1x), and by ten
times as many (10x), in turns at real-time priority. Latency counts from the time at which a request was due.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from alone import preferred
from serving import HOST, burnish_command, free_port, wait_until_ready
from serving_batching import Bench, ask

LOADS = {"nobody": 0, "1x": 2, "10x": 20}
BATCHING = 'dynamic_batching { } parameters { key: "burnish.threads" value { string_value: "1" } }'


async def repeat(port: int, request: bytes) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        while True:
            await ask(reader, writer, request)
    finally:
        writer.close()


async def at_rate(port: int, request: bytes, rate: float, seconds: float) -> list[float]:
    """Milliseconds from when each request was due to its answer."""
    found: list[float] = []
    start = time.perf_counter()

    connections = [await asyncio.open_connection(HOST, port) for _ in range(4)]
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for pair in connections:
        free.put_nowait(pair)

    async def due_at(due: float) -> None:
        await asyncio.sleep(due - time.perf_counter())
        pair = await free.get()
        await ask(*pair, request)
        found.append((time.perf_counter() - due) * 1e3)
        free.put_nowait(pair)

    await asyncio.gather(*(due_at(start + n / rate) for n in range(int(rate * seconds))))
    for _, writer in connections:
        writer.close()
    return found


async def turn(port: int, pid: int, calm: bytes, loud: bytes, clients: int, rate: float, seconds: float) -> list[float]:
    others = [asyncio.create_task(repeat(port, loud)) for _ in range(clients)]
    await asyncio.sleep(0.3)
    with preferred(lambda: [pid], leaders_first=True):
        found = await at_rate(port, calm, rate, seconds)
    for other in others:
        other.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(seconds)  # the others' turn
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--input", required=True, help="NAME:CxHxW")
    parser.add_argument("--rate", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=0.8)
    args = parser.parse_args()
    name, _, shape = args.input.partition(":")
    found: dict[str, list[float]] = {load: [] for load in LOADS}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        bench = Bench(Path(folder), args.model, name, tuple(map(int, shape.split("x"))), 4, BATCHING)
        request = bench.request("body", 0)
        for other in ("calm", "loud"):
            (Path(folder) / other / "1").mkdir(parents=True)
            bench.plan.save(Path(folder) / other / "1" / "model.plan")
            (Path(folder) / other / "config.pbtxt").write_text(f"max_batch_size: 4 {BATCHING}")
        ports = {"http": free_port(), "grpc": free_port()}
        command = [*burnish_command(Path(folder), ports), "--shared-memory"]
        quiet = subprocess.DEVNULL
        server = stack.enter_context(subprocess.Popen(command, stdout=quiet, stderr=quiet))
        stack.callback(server.terminate)
        wait_until_ready(ports["http"])
        calm, loud = (request.replace(b"/models/m/", b"/models/" + n + b"/", 1) for n in (b"calm", b"loud"))
        for _ in range(args.rounds):
            for load in random.sample(list(LOADS), len(LOADS)):
                found[load] += asyncio.run(
                    turn(ports["http"], server.pid, calm, loud, LOADS[load], args.rate, args.seconds)
                )
    print(f"| loud is asked by | calm at {args.rate:g}/s: p50, ms | p90 | p99 | requests |\n|---|---|---|---|---|")
    for load, times in found.items():
        print(f"| {load} | {' | '.join(f'{np.percentile(times, p):.1f}' for p in (50, 90, 99))} | {len(times)} |")


if __name__ == "__main__":
    main()
