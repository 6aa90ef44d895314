"""The infer route: JSON and the binary extension, in and out. What it refuses was asked of a real Triton 2.51."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import uuid
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as client
import tritonclient.http.aio as aio

from burnish.serve.core.shared_memory import SharedMemory
from burnish.serve.http.wire.limits import Limits
from burnish.serve.status import Code, ServeError
from tests.serve.http.asking import ask, tensor, told
from tests.serve.http.fake_core import Answer, Running

DATA = {"inputs": [tensor(data=[1.5, 2.5])]}
JSON, TEXT = "application/json", "text/plain"


def infer(body: Any = DATA, *headers: str, model: str = "identity", **options: Any) -> Answer:
    return ask("POST", f"/v2/models/{model}/infer", body, *headers, **options)


def binary(head: Any, tail: bytes, *headers: str, model: str = "identity", size: str = "") -> Answer:
    text = json.dumps(head).encode()
    return infer(text + tail, f"Inference-Header-Content-Length: {size or len(text)}", *headers, model=model)


def test_json_in_and_out() -> None:
    answer = infer({"id": "q", **DATA})
    assert (answer.status, answer.headers["content-type"]) == (200, JSON)
    assert json.loads(answer.body) == {
        "id": "q",
        "model_name": "identity",
        "model_version": "1",
        "outputs": [{"name": "OUT", "datatype": "FP32", "shape": [2], "data": [1.5, 2.5]}],
    }


def test_binary_in_and_out() -> None:
    raw = np.array([np.nan, 1], np.float32).tobytes()
    head = {
        "inputs": [tensor(parameters={"binary_data_size": 8})],
        "outputs": [{"name": "OUT", "parameters": {"binary_data": True}}],
    }
    answer = binary(head, raw)
    size = int(answer.headers["inference-header-content-length"])
    assert answer.headers["content-type"] == "application/octet-stream"
    assert json.loads(answer.body[:size])["outputs"] == [tensor("OUT", parameters={"binary_data_size": 8})]
    assert answer.body[size:] == raw


def test_outputs_are_binary_by_default_if_asked_for_and_none_are_listed() -> None:
    answer = infer({**DATA, "parameters": {"binary_data_output": True}})
    assert answer.body.endswith(np.array([1.5, 2.5], np.float32).tobytes())
    answer = infer({**DATA, "parameters": {"binary_data_output": True}, "outputs": [{"name": "OUT"}]})
    assert json.loads(answer.body)["outputs"][0]["data"] == [1.5, 2.5]


def test_an_empty_binary_output_leaves_json_alone() -> None:
    answer = infer({"inputs": [tensor(shape=[0], data=[])], "parameters": {"binary_data_output": True}})
    assert answer.headers["content-type"] == JSON
    assert json.loads(answer.body)["outputs"] == [tensor("OUT", shape=[0], parameters={"binary_data_size": 0})]


@pytest.mark.parametrize(
    ("size", "tail", "want"),
    [
        ("999", b"", (400, TEXT, "inference header size should be in range (0, {all}), got: 999")),
        ("-1", b"", (400, TEXT, "inference header size should be in range (0, {all}), got: -1")),
        ("5", b"", (500, JSON, "failed to parse the request JSON buffer: Missing a closing quotation mark in "
                               "string. at 5")),
        ("", b"1234567", (400, JSON, "unexpected size for input 'IN', expecting 1 additional bytes for model "
                                     "'identity'")),
        ("", b"123456789", (400, JSON, "unexpected additional input data for model 'identity'")),
    ],
)  # fmt: skip
def test_sizes_that_do_not_fit_the_body(size: str, tail: bytes, want: tuple[int, str, str]) -> None:
    head = {"inputs": [tensor(parameters={"binary_data_size": 8})]}
    text = json.dumps(head).encode()
    status, kind, message = want
    answer = binary(head, tail, size=size)
    assert told(answer) == (status, kind, message.format(all=len(text) + len(tail)))


def test_a_body_that_is_one_tensor() -> None:
    raw = np.array([1, 2, 3], np.float32).tobytes()
    answer = infer(raw, "Inference-Header-Content-Length: 0")
    assert answer.body.endswith(raw)
    assert told(infer(raw[:-1], "Inference-Header-Content-Length: abc")) == (
        400,
        JSON,
        "[request id: <id_unknown>] input byte size mismatch for input 'raw_input' for model 'identity'. "
        "Expected 8, got 11",
    )


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_both_ways(encoding: str) -> None:
    for data in ([1.5, 2.5], list(range(40_000))):  # short and long ones take different ways
        body = json.dumps({"inputs": [tensor(shape=[len(data)], data=data)]}).encode()
        packed = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
        answer = infer(packed, f"Content-Encoding: {encoding}", f"Accept-Encoding: {encoding}")
        assert answer.headers["content-encoding"] == encoding
        plain = gzip.decompress(answer.body) if encoding == "gzip" else zlib.decompress(answer.body)
        assert json.loads(plain)["outputs"][0]["data"] == data


def test_a_wrong_encoding_is_refused_in_plain_text() -> None:
    answer = infer(b"x", "Content-Encoding: br")
    assert told(answer) == (501, TEXT, "Unsupported compression type")
    assert answer.headers["accept-encoding"] == "gzip, deflate"
    assert told(infer(b"plain", "Content-Encoding: gzip")) == (400, TEXT, "the request body is not valid gzip data")
    bomb = gzip.compress(bytes(40 << 20))
    assert len(bomb) > 16 << 10
    limits = Limits(decompressed_bytes=1 << 20)
    assert told(infer(bomb, "Content-Encoding: gzip", limits=limits))[0] == 400


def test_before_there_is_a_request_and_in_the_models_answer_errors_are_plain_text() -> None:
    assert told(infer(model="nosuch")) == (404, TEXT, "Request for unknown model: 'nosuch' is not found")
    assert told(infer(model="repeat")) == (
        501,
        TEXT,
        "HTTP end point doesn't support models with decoupled transaction policy",
    )
    assert told(infer(model="fails")) == (404, TEXT, "said on purpose")
    halves = {"inputs": [tensor(datatype="FP16", parameters={"binary_data_size": 4})]}
    assert told(binary(halves, bytes(4), model="halves")) == (
        400,
        TEXT,
        "sending FP16 data via JSON is not supported. Please use the binary data format for output",
    )


def test_what_the_core_refuses_at_once_is_json() -> None:
    assert told(infer({"inputs": [tensor("XX", data=[1, 2])]})) == (
        400,
        JSON,
        "[request id: <id_unknown>] unexpected inference input 'XX' for model 'identity'",
    )


def test_data_that_do_not_fit_are_told_only_if_nothing_else_is_wrong() -> None:
    fit = {"binary_data_size": 7}
    assert told(binary({"id": "q", "inputs": [tensor(parameters=fit)]}, bytes(7))) == (
        400,
        JSON,
        "[request id: q] input byte size mismatch for input 'IN' for model 'identity'. Expected 8, got 7",
    )
    assert "unexpected inference input" in told(binary({"inputs": [tensor("XX", parameters=fit)]}, bytes(7)))[2]
    cut = {"inputs": [tensor(datatype="BYTES", shape=[1], parameters={"binary_data_size": 7})]}
    assert told(binary(cut, b"\x64\0\0\0abc", model="words")) == (
        400,
        TEXT,
        "incomplete string data for inference input 'IN', expecting string of length 100 but only 3 bytes available",
    )


def test_classes_with_labels() -> None:
    body = {
        "inputs": [tensor(shape=[1, 3], data=[1, 3, 2])],
        "outputs": [{"name": "OUT", "parameters": {"classification": 2}}],
    }
    answer = infer(body, model="scores")
    assert json.loads(answer.body)["outputs"] == [
        tensor("OUT", "BYTES", [1, 2], data=["3.000000:1", "2.000000:2:cedar"])
    ]


def test_shared_memory_in_and_out() -> None:
    key = f"/burnish_{uuid.uuid4().hex}"
    path = Path("/dev/shm" + key)
    path.write_bytes(np.array([1, 2, 3, 4], np.int32).tobytes() + bytes(60))
    shared = SharedMemory()
    shared.register("r", key, 0, 76)

    def part(offset: int, size: int) -> dict[str, Any]:
        return {
            "shared_memory_region": "r",
            "shared_memory_offset": offset,
            "shared_memory_byte_size": size,
        }

    def body(size: int) -> dict[str, Any]:
        both = [tensor(n, "INT32", [1, 4], parameters=part(0, 16)) for n in "AB"]
        return {"inputs": both, "outputs": [{"name": "SUM", "parameters": part(32, size)}]}

    try:
        answer = infer(body(16), model="addsub", shared=shared)
        assert json.loads(answer.body)["outputs"][0] == tensor("SUM", "INT32", [1, 4])
        assert np.frombuffer(path.read_bytes()[32:48], np.int32).tolist() == [2, 4, 6, 8]
        assert told(infer(body(8), model="addsub", shared=shared)) == (
            500,
            TEXT,
            "shared memory size specified with the request for output 'SUM' (8 bytes) should be at least 16 bytes to "
            "hold the results",
        )
        assert told(infer(body(16), model="addsub")) == (
            501,
            JSON,
            "system shared memory is switched off on this server",
        )
        shared.unregister_all()  # no request holds it any more
    finally:
        os.unlink(path)


def test_a_model_that_gives_no_answer_or_two_is_an_error() -> None:
    async def main():
        async with Running() as running:
            for count in (0, 2):
                asked = asyncio.create_task(running.post("/v2/models/never/infer", json.dumps(DATA)))
                while not running.server.jobs:
                    await asyncio.sleep(0.01)
                job = running.server.jobs.pop()
                for _ in range(count):
                    job.answer([], is_final=False)
                job.end()
                assert told(await asked) == (500, TEXT, f"expected a single response, got {count}")

    asyncio.run(main())


def test_a_full_queue_is_503_in_json_and_a_timeout_in_a_queue_in_plain_text() -> None:
    async def main():
        async with Running() as running:
            asked = asyncio.create_task(running.post("/v2/models/never/infer", json.dumps(DATA)))
            while not running.server.jobs:
                await asyncio.sleep(0.01)
            running.server.jobs.pop().fail(ServeError(Code.UNAVAILABLE, "Request timeout expired"))
            assert told(await asked) == (503, TEXT, "Request timeout expired")

            def full(job: object) -> None:
                raise ServeError(Code.UNAVAILABLE, "Exceeds maximum queue size")

            running.server.find("never", -1).run = full
            answer = await running.post("/v2/models/never/infer", json.dumps(DATA))
            assert told(answer) == (503, JSON, "Exceeds maximum queue size")

    asyncio.run(main())


@pytest.mark.parametrize("is_binary", [True, False])
def test_tritons_own_clients_are_answered(is_binary: bool) -> None:
    data = np.arange(8, dtype=np.int32).reshape(2, 4)
    words = np.array([b"a", b"\xc3\xa9"], object)

    async def main():
        async with Running() as running, aio.InferenceServerClient(f"127.0.0.1:{running.port}") as triton:
            inputs = [client.InferInput(n, [2, 4], "INT32") for n in "AB"]
            for given in inputs:
                given.set_data_from_numpy(data, binary_data=is_binary)
            outputs = [client.InferRequestedOutput("SUM", binary_data=is_binary)]
            for algorithm in (None, "gzip", "deflate"):
                result = await triton.infer(
                    "addsub",
                    inputs,
                    outputs=outputs,
                    request_compression_algorithm=algorithm,
                    response_compression_algorithm=algorithm,
                )
                np.testing.assert_array_equal(result.as_numpy("SUM"), data + data)
            text = client.InferInput("IN", [2], "BYTES")
            text.set_data_from_numpy(words, binary_data=is_binary)
            result = await triton.infer("words", [text])
            assert result.as_numpy("OUT").tolist() == words.tolist()
            assert await triton.is_server_live()
            assert (await triton.get_model_metadata("addsub"))["name"] == "addsub"

    asyncio.run(main())
