"""The bytes of requests over HTTP."""

from __future__ import annotations

import json
from typing import Any

from burnish.perf.client.endpoint import parse_url
from burnish.perf.client.http_request import HttpRequest, infer_request, stream_request
from burnish.perf.client.shared_memory import Region
from burnish.perf.data.tensor import from_values
from burnish.perf.options import Options
from tests.perf.made_report import MODEL

STEP = (from_values("IN", "FP32", [1, 2, 3, 4], (1, 4)),)
AT = parse_url("host:9/prefix", "http")


def parts(message: bytes) -> tuple[list[str], dict[str, Any], bytes]:
    """Head lines, JSON, the rest, by the lengths that the head states."""
    head, _, body = message.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    lengths = dict(line.split(": ") for line in lines[1:])
    assert int(lengths["Content-Length"]) == len(body)
    length = int(lengths.get("Inference-Header-Content-Length", len(body)))
    return lines, json.loads(body[:length]), body[length:]


def test_a_binary_request_has_its_tensors_behind_the_json() -> None:
    options = Options("echo", headers={"Authorization": "Bearer k"}, parameters={"priority": 1})
    lines, fields, tail = parts(infer_request(AT, MODEL, STEP, options).render({}))
    assert lines[0] == "POST /prefix/v2/models/echo/infer HTTP/1.1"
    assert "Host: host:9" in lines and "Authorization: Bearer k" in lines
    assert tail == STEP[0].to_bytes()
    entry = {"name": "IN", "datatype": "FP32", "shape": [1, 4], "parameters": {"binary_data_size": 16}}
    assert fields == {"inputs": [entry], "parameters": {"priority": 1, "binary_data_output": True}}


def test_a_sequences_parameters_join_the_requests_own() -> None:
    request = infer_request(AT, MODEL, STEP, Options("echo", parameters={"priority": 1}))
    _, fields, tail = parts(request.render({"sequence_id": 7, "sequence_start": True}))
    assert fields["parameters"] == {
        "priority": 1, "binary_data_output": True, "sequence_id": 7, "sequence_start": True,
    }  # fmt: skip
    assert tail == STEP[0].to_bytes()


def test_a_json_request_has_its_values_inside() -> None:
    _, fields, tail = parts(infer_request(AT, MODEL, STEP, Options("echo", encoding="json")).render({}))
    assert fields == {"inputs": [{"name": "IN", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}
    assert tail == b""


def test_shared_memory_is_named_and_nothing_travels() -> None:
    regions = Region("in", {"IN": (64, 16)}), Region("out", {"OUT": (0, 99)})
    _, fields, tail = parts(infer_request(AT, MODEL, STEP, Options("echo"), regions).render({}))
    assert fields["inputs"][0]["parameters"] == {
        "shared_memory_region": "in", "shared_memory_offset": 64, "shared_memory_byte_size": 16,
    }  # fmt: skip
    assert fields["outputs"][0]["parameters"]["shared_memory_region"] == "out"
    assert tail == b""


def test_generate_stream_has_inputs_and_parameters_by_name() -> None:
    step = (from_values("IN", "FP32", [1, 2, 3, 4], (1, 4)), from_values("N", "INT32", [5], (1, 1)))
    request = stream_request(AT, MODEL, step, Options("echo", parameters={"stop": "x"}))
    lines, fields, _ = parts(request.render({"sequence_id": 3}))
    assert lines[0] == "POST /prefix/v2/models/echo/generate_stream HTTP/1.1"
    assert fields == {"IN": [1, 2, 3, 4], "N": 5, "stop": "x", "sequence_id": 3}


def test_names_are_quoted_in_paths() -> None:
    from dataclasses import replace

    model = replace(MODEL, name="a b/c", version="2")
    lines, _, _ = parts(infer_request(AT, model, STEP, Options("a b/c")).render({}))
    assert lines[0] == "POST /prefix/v2/models/a%20b%2Fc/versions/2/infer HTTP/1.1"


def test_a_request_without_parameters_has_no_field_for_them() -> None:
    request = HttpRequest(b"POST / HTTP/1.1\r\n", {"inputs": []}, b"", {})
    assert parts(request.render({}))[1] == {"inputs": []}
