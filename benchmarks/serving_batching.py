"""Dynamic batching of a CNN: what 32 clients get of a server, beside what the engine alone does at its best batch.

    python benchmarks/serving_batching.py MODEL.onnx --input image:3x160x160 [--most 16] [--rounds 9]

After a look at every batch size up to --most, in turns at real-time priority, on all cores:
  the engine alone, in this process, at the batch size that was best
  `burnish serve`, each of 32 connections sending its next image as soon as it has an answer, over HTTP with the tensors
  in the request's body, and with the tensors in system shared memory

The clients are one asyncio process on the same cores. The part of all cores' time that they take is not the server's to
use: the ratio of each turn stands beside one that leaves this part out.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from alone import preferred
from serving import HOST, burnish_command, free_port, wait_until_ready

import burnish

CLIENTS, LEAD_S = 32, 0.12


class Turn(NamedTuple):
    """Images a second of the engine alone and of the server; the clients' part of all cores' time."""

    alone: float
    served: float
    clients: float


class Bench:
    def __init__(self, folder: Path, model: Path, name: str, shape: tuple[int, ...], most: int, extra: str) -> None:
        self.name, self.shape, self.most = name, shape, most
        sizes = ((1, *shape), (most // 2, *shape), (most, *shape))
        self.plan = burnish.build(batched(model), profile={name: sizes})
        version = folder / "m" / "1"
        version.mkdir(parents=True)
        self.plan.save(version / "model.plan")
        (version.parent / "config.pbtxt").write_text(f"max_batch_size: {most} {extra}")
        self.folder = folder
        self._look_at_plan()
        self.images = np.random.default_rng(0).random((4 * most, *shape), np.float32).astype(self.dtype)

    def engine(self, seconds: float) -> dict[int, float]:
        """Images a second, by batch size."""
        found = {}
        with burnish.load(self.plan) as engine, engine.create_context() as context:
            for size in (n for n in (1, 2, 4, 8, 16, 32) if n <= self.most):
                with preferred(list):
                    self._repeat(context, size, LEAD_S / 2)
                    found[size] = self._repeat(context, size, seconds)
                time.sleep(seconds / 2)
        return found

    def _repeat(self, context: Any, size: int, seconds: float) -> float:
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            first = done % (len(self.images) - size + 1)
            context({self.name: self.images[first : first + size]})
            done += size
        return done / (time.perf_counter() - start)

    @contextlib.contextmanager
    def server(self) -> Iterator[tuple[int, int]]:
        """Its port and its process."""
        ports = {"http": free_port(), "grpc": free_port()}
        command = [*burnish_command(self.folder, ports), "--shared-memory"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                wait_until_ready(ports["http"])
                yield ports["http"], server.pid
            finally:
                server.terminate()

    def turns(self, kind: str, size: int, seconds: float, rounds: int) -> list[Turn]:
        """The engine alone at this batch size and the server, one right after the other."""
        with self.server() as (port, pid), self.region() as region, burnish.load(self.plan) as engine:
            context = engine.create_context()
            return asyncio.run(self._turns(port, pid, kind, region, context, size, seconds, rounds))

    async def _turns(
        self, port: int, pid: int, kind: str, region: SharedMemory, context: Any, size: int, seconds: float, rounds: int
    ) -> list[Turn]:
        await self._register(port, region)
        answered: list[float] = []
        may_send = asyncio.Event()
        may_send.set()
        clients = [asyncio.create_task(self._client(port, kind, n, may_send, answered)) for n in range(CLIENTS)]
        await asyncio.sleep(1.0)
        found = []
        for _ in range(rounds):
            may_send.clear()
            await asyncio.sleep(2 * seconds)  # what is under way ends; others have their turn
            with preferred(lambda: [pid], leaders_first=True):
                self._repeat(context, size, LEAD_S)
                alone = self._repeat(context, size, seconds)
                may_send.set()
                await asyncio.sleep(LEAD_S)
                first, client_s, start = len(answered), time.process_time(), time.perf_counter()
                await asyncio.sleep(seconds)
                times, took = answered[first:], time.perf_counter() - start
                client_s = time.process_time() - client_s
            rate = float(np.polyfit(times, range(len(times)), 1)[0])  # a straight line through the steps of batches
            found.append(Turn(alone, rate, client_s / took / (os.cpu_count() or 1)))
        for client in clients:
            client.cancel()
        for ended in await asyncio.gather(*clients, return_exceptions=True):
            assert isinstance(ended, asyncio.CancelledError), ended
        return found

    @contextlib.contextmanager
    def region(self) -> Iterator[SharedMemory]:
        """Shared memory with an image for each client, and behind them room for each answer."""
        image, answer = self.images[0].nbytes, self.answer_bytes
        memory = SharedMemory(create=True, size=CLIENTS * (image + answer))
        try:
            whole = np.ndarray((CLIENTS, *self.shape), self.dtype, memory.buf)
            whole[:] = self.images[:CLIENTS] if len(self.images) >= CLIENTS else self.images[0]
            del whole
            yield memory
        finally:
            memory.close()
            memory.unlink()

    def _look_at_plan(self) -> None:
        with burnish.load(self.plan) as engine, engine.create_context() as context:
            self.dtype = engine.inputs[0].dtype
            image = np.zeros((1, *self.shape), self.dtype)
            ((self.output, answer),) = context({self.name: image}).items()
            self.answer_bytes = answer.nbytes
        self.datatype = {"float32": "FP32", "float16": "FP16"}[np.dtype(self.dtype).name]

    def request(self, kind: str, client: int) -> bytes:
        image, answer = self.images[client % len(self.images)], self.answer_bytes
        size = image.nbytes
        asked: dict[str, object] = {"name": self.name, "datatype": self.datatype, "shape": [1, *self.shape]}
        given, body = {"binary_data_size": size}, image.tobytes()
        wanted: dict[str, object] = {"binary_data": True}
        if kind == "shared memory":
            body = b""
            place = {"shared_memory_region": "r"}
            given = {**place, "shared_memory_offset": client * size, "shared_memory_byte_size": size}
            offset = CLIENTS * size + client * answer
            wanted = {**place, "shared_memory_offset": offset, "shared_memory_byte_size": answer}
        asked["parameters"] = given
        outputs = [{"name": self.output, "parameters": wanted}]
        head = json.dumps({"inputs": [asked], "outputs": outputs}).encode()
        return post("/v2/models/m/infer", head + body, len(head))

    async def _register(self, port: int, region: SharedMemory) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        body = json.dumps({"key": region.name, "offset": 0, "byte_size": region.size}).encode()
        await ask(reader, writer, post("/v2/systemsharedmemory/region/r/register", body, None))
        writer.close()

    async def _client(self, port: int, kind: str, number: int, may_send: asyncio.Event, answered: list[float]) -> None:
        reader, writer = await asyncio.open_connection(HOST, port, limit=1 << 22)
        request = self.request(kind, number)
        try:
            while True:
                await may_send.wait()
                await ask(reader, writer, request)
                answered.append(time.perf_counter())
        finally:
            writer.close()


def batched(file: Path) -> onnx.ModelProto:
    """The model with a batch of any size: its first dimension is fixed to 1 in many files."""
    model = onnx.load(file)
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    for value in [*(i for i in graph.input if i.name not in weights), *graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del graph.value_info[:]
    return model


def post(path: str, body: bytes, head: int | None) -> bytes:
    extra = "" if head is None else f"Inference-Header-Content-Length: {head}\r\n"
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    size = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
    answer = await reader.readexactly(size)
    assert b" 200 " in head[:16], answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--input", required=True, help="NAME:CxHxW")
    parser.add_argument("--most", type=int, default=16)
    parser.add_argument(
        "--config", default="dynamic_batching { }", help="what config.pbtxt says besides the batch size"
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.3)
    args = parser.parse_args()
    name, _, shape = args.input.partition(":")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), args.model, name, tuple(map(int, shape.split("x"))), args.most, args.config)
        alone = [bench.engine(args.seconds) for _ in range(3)]
        rates = {size: statistics.median(round_[size] for round_ in alone) for size in alone[0]}
        best = max(rates, key=lambda size: rates[size])
        print("engine alone, images/s: " + ", ".join(f"{size}: {rate:,.0f}" for size, rate in rates.items()))
        print("| tensors in | engine alone | served | ratio of a turn | clients' part of the machine | without it |")
        print("|---|---|---|---|---|---|")
        for kind in ("body", "shared memory"):
            turns = bench.turns(kind, best, args.seconds, args.rounds)
            ratios = sorted(t.served / t.alone for t in turns)
            part, ratio = statistics.median(t.clients for t in turns), statistics.median(ratios)
            cells = [f"{statistics.median(rates):,.0f}" for rates in zip(*((t.alone, t.served) for t in turns))]
            cells += [f"{ratio:.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})", f"{part:.1%}", f"{ratio / (1 - part):.3f}"]
            print(f"| {kind} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
