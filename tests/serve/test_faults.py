"""What clients and time may do to a whole server: overload, silence, nonsense, hours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import resource
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tritonclient.grpc as grpc

import burnish
from tests.serve.app.server_process import ServerProcess, running

MODEL = """
import time
import triton_python_backend_utils as pb

class TritonPythonModel:
    def execute(self, requests):
        time.sleep(0.005)
        given = [pb.get_input_tensor_by_name(r, "X").as_numpy() for r in requests]
        return [pb.InferenceResponse([pb.Tensor("Y", x + 1)]) for x in given]
"""
TENSORS = (
    """input { name: "X" data_type: TYPE_FP32 dims: [ 4 ] } output { name: "Y" data_type: TYPE_FP32 dims: [ 4 ] }"""
)
QUEUE = "dynamic_batching { default_queue_policy { max_queue_size: 8 } }"
BODY = json.dumps({"inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}).encode()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "slow" / "1").mkdir(parents=True)
    (tmp_path / "slow" / "1" / "model.py").write_text(MODEL)
    (tmp_path / "slow" / "config.pbtxt").write_text(f'backend: "python" max_batch_size: 4 {TENSORS} {QUEUE}')
    return tmp_path


def add_plan(repository: Path) -> None:
    """The digits example as a plan, beside the Python model."""
    example = Path(__file__).parents[2] / "examples" / "digits.onnx"
    shapes = ((1, 1, 8, 8), (4, 1, 8, 8), (8, 1, 8, 8))
    plan = burnish.build(example, profile={"image": shapes})
    (repository / "digits" / "1").mkdir(parents=True)
    plan.save(repository / "digits" / "1" / "model.plan")


def resident(server: ServerProcess) -> int:
    return int(psutil.Process(server.process.pid).memory_info().rss)


async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, model: str, body: bytes) -> int:
    """The status of one request on a connection that stays open."""
    head = f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    status = int((await reader.readline()).split()[1])
    length = 0
    while (line := await reader.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    await reader.readexactly(length)
    return status


async def press(port: int, model: str, clients: int, seconds: float, body: bytes = BODY) -> dict[int, int]:
    """Statuses of requests that so many clients send, each the next one as soon as it has an answer."""
    found: dict[int, int] = {}
    end = time.monotonic() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.monotonic() < end:
            status = await post(reader, writer, model, body)
            found[status] = found.get(status, 0) + 1
        writer.close()

    await asyncio.gather(*(one() for _ in range(clients)))
    return found


def failures(server: ServerProcess, model: str) -> dict[str, float]:
    _, page = server.get("/metrics", server.metrics)
    found = {}
    for line in page.splitlines():
        if line.startswith("nv_inference_request_failure{") and f'model="{model}"' in line:
            found[line.split('reason="')[1].split('"')[0]] = float(line.rsplit(" ", 1)[1])
    return found


@pytest.mark.parametrize("limit", ["of the model's queue", "of the server"])
@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_overload_is_refused_and_counted_costs_no_memory_and_is_over_when_it_ends(repository, seconds, limit):
    options = {}
    if limit == "of the server":
        options = {"most_requests": 12}
        (repository / "slow" / "config.pbtxt").write_text(f'backend: "python" max_batch_size: 4 {TENSORS}')
    with running(repository, server=options) as server:
        asyncio.run(press(server.http, "slow", 4, 1))
        before = resident(server)
        found = asyncio.run(press(server.http, "slow", 128, seconds))
        assert set(found) == {200, 503}
        assert found[503] > found[200]
        assert failures(server, "slow")["REJECTED"] == found[503]
        begin = time.monotonic()
        assert server.ask("POST", "/v2/models/slow/infer", BODY)[0] == 200
        assert time.monotonic() - begin < 1
        assert resident(server) - before < 32 << 20


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_thousands_of_silent_connections_keep_nobody_out(repository, protocol):
    wanted = 5000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted + 500:
        pytest.skip(f"a process may have {hard} files open here")
    try:
        with running(repository) as server, contextlib.ExitStack() as held:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # ours; the server has raised its own
            for _ in range(wanted):
                held.enter_context(socket.create_connection(("127.0.0.1", getattr(server, protocol))))
            begin = time.monotonic()
            assert server.ask("POST", "/v2/models/slow/infer", BODY)[0] == 200
            with grpc.InferenceServerClient(f"127.0.0.1:{server.grpc}") as client:
                assert client.is_server_live()
            assert time.monotonic() - begin < 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_nonsense_on_any_port_ends_that_connection_and_nothing_else(repository):
    draw = random.Random(0)
    starts = [b"", b"POST /v2/models/slow/infer HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    with running(repository) as server:
        for _ in range(100):
            for port in (server.http, server.grpc, server.metrics):
                with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
                    client.sendall(draw.choice(starts) + draw.randbytes(draw.randrange(1, 300)))
                    client.shutdown(socket.SHUT_WR)
        assert server.ask("POST", "/v2/models/slow/infer", BODY)[0] == 200
        assert server.get("/metrics", server.metrics)[0] == 200
        with grpc.InferenceServerClient(f"127.0.0.1:{server.grpc}") as client:
            assert client.is_server_live()


@pytest.mark.parametrize("seconds", [2, pytest.param(600, marks=pytest.mark.slow)])
def test_a_soak_of_both_protocols_fails_no_request_and_does_not_grow(repository, seconds):
    add_plan(repository)
    image = {"name": "image", "datatype": "FP32", "shape": [1, 1, 8, 8], "data": [0.5] * 64}
    digits = json.dumps({"inputs": [image]}).encode()

    def speak_grpc(port: int) -> None:
        tensor = grpc.InferInput("X", [1, 4], "FP32")
        tensor.set_data_from_numpy(np.ones((1, 4), np.float32))
        with grpc.InferenceServerClient(f"127.0.0.1:{port}") as client:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                assert client.infer("slow", [tensor]).as_numpy("Y").tolist() == [[2, 2, 2, 2]]

    async def all_of_it(server: ServerProcess) -> list[Any]:
        return await asyncio.gather(
            press(server.http, "digits", 2, seconds, digits),
            press(server.http, "slow", 2, seconds),
            asyncio.to_thread(speak_grpc, server.grpc),
        )

    with running(repository) as server:
        assert server.failed == []
        asyncio.run(press(server.http, "digits", 2, 1, digits))
        before = resident(server)
        found = asyncio.run(all_of_it(server))
        assert [set(f) for f in found[:2]] == [{200}, {200}]
        grown = resident(server) - before
        print(f"{seconds} s: resident memory grew by {grown / 2**20:.1f} MiB from {before / 2**20:.1f}")
        assert grown < 16 << 20
