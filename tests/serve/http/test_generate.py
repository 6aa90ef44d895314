"""generate and generate_stream. What they refuse was asked of a real Triton 2.51."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from burnish.serve.http.generate import read_generate, write_generate
from burnish.serve.request import Response, Tensor
from burnish.serve.status import ServeError, invalid
from tests.serve.http.asking import ask, told
from tests.serve.http.fake_core import FakeVersion, config_of

JSON = "application/json"
NOT_ONE = (
    "generate expects model to produce exactly 1 response, use generate stream for model that generates various number "
    "of responses"
)


def version(inputs: str, batch: int = 0) -> FakeVersion:
    return FakeVersion("m", 1, config_of("m", inputs, "OUT TYPE_FP32 1", batch), lambda job: None)


WORDS = version("text_input TYPE_STRING 1; times TYPE_INT32 1")


def test_members_are_inputs_or_parameters() -> None:
    request = read_generate(
        WORDS, -1, b'{"id": "g", "text_input": [["a"]], "times": 3, "x": 1.5, "parameters": {"y": "z"}}'
    )
    assert {n: t.data.tolist() for n, t in request.inputs.items()} == {"text_input": [b"a"], "times": [3]}
    assert request.parameters == {"id": "g", "x": 1.5, "y": "z"}
    assert (request.id, request.priority, request.sequence) == ("g", 0, None)


@pytest.mark.parametrize(
    ("dims", "batch", "value", "shape"),
    [("1", 0, 1, (1,)), ("-1", 4, [1, 2], (1, 2)), ("4", 4, list(range(8)), (2, 4)), ("-1,2", 0, [1, 2, 3, 4], (2, 2))],
)
def test_the_last_open_axis_takes_what_is_left(dims: str, batch: int, value: Any, shape: tuple[int, ...]) -> None:
    request = read_generate(version(f"IN TYPE_FP32 {dims}", batch), -1, json.dumps({"IN": value}).encode())
    assert request.inputs["IN"].shape == shape


@pytest.mark.parametrize(
    ("document", "status", "message"),
    [
        ([], 500, "attempt to get members for non-object"),
        ({"id": 3}, 500, "Unable to parse 'id': attempt to access JSON non-string as string"),
        ({"x": None}, 400, "parameter 'x' has invalid type. It should be either 'int', 'bool', or 'string'."),
        (
            {"parameters": {"x": []}},
            400,
            "Converting keyword: 'parameters': parameter 'x' has invalid type. It should be either 'int', 'bool', or "
            "'string'.",
        ),
        (
            {"parameters": 3},
            500,
            "Expected JSON object for keyword: 'parameters': attempt to access JSON non-object as object",
        ),
        (
            {"parameters": {"text_input": "b"}, "text_input": "a"},
            400,
            "[request id: <id_unknown>] input 'text_input' already exists in request",
        ),
        ({"text_input": ["a", "b"]}, 400, "The schema can not convert input 'text_input' to tensor with proper shape"),
        ({"text_input": []}, 400, "The schema can not convert input 'text_input' to tensor with proper shape"),
        (
            {"text_input": 5},
            500,
            "Unable to parse JSON bytes array: attempt to access JSON non-string as string",
        ),
        (
            {"text_input": [[]]},
            400,
            "[request id: <id_unknown>] expected 1 string elements for inference input 'text_input' for model 'm', "
            "got 0",
        ),
        (
            {"times": "x"},
            500,
            "Unable to parse 'data': attempt to access JSON non-signed-integer as signed-integer",
        ),
        (
            {"times": [[1, 2]]},
            500,
            "Unable to parse 'data': Shape does not match true shape of 'data' field",
        ),
    ],
)
def test_what_is_wrong_is_told_as_triton_does(document: Any, status: int, message: str) -> None:
    with pytest.raises(ServeError) as caught:
        read_generate(WORDS, -1, json.dumps(document).encode())
    assert (caught.value.code.http, caught.value.message) == (status, message)


def test_an_answers_members_are_sorted_and_reserved_names_stay() -> None:
    outputs = [
        Tensor("OUT", "FP32", np.array([1.5], np.float32)),
        Tensor("A", "INT32", np.array([[1, 2]], np.int32)),
        Tensor("id", "INT32", np.array([1], np.int32)),
    ]
    text = write_generate(Response("m", 3, "g", outputs, {"p": True, "A": "x"}))
    assert text == b'{"A":"x","OUT":1.5,"id":"g","model_name":"m","model_version":"3","p":true}'
    with pytest.raises(ServeError, match="no"):
        write_generate(Response("m", 3, error=invalid("no")))


def test_one_answer_is_sent_and_any_other_number_is_an_error_with_200() -> None:
    assert json.loads(ask("POST", "/v2/models/identity/generate", {"IN": [1, 2]}).body)["OUT"] == [1, 2]
    assert json.loads(ask("POST", "/v2/models/repeat/generate", {"COUNT": 1}).body)["INDEX"] == 0
    for count in (0, 3):
        assert told(ask("POST", "/v2/models/repeat/generate", {"COUNT": count})) == (200, JSON, NOT_ONE)


def test_a_stream_is_events() -> None:
    answer = ask("POST", "/v2/models/repeat/generate_stream", {"id": "s", "COUNT": 2})
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert answer.body == b"".join(
        b'data: {"INDEX":%d,"id":"s","model_name":"repeat","model_version":"1"}\n\n' % i for i in range(2)
    )
    assert ask("POST", "/v2/models/repeat/generate_stream", {"COUNT": 0}).body == b""


def test_any_error_of_the_model_is_400() -> None:
    assert told(ask("POST", "/v2/models/fails/generate", {"IN": 1})) == (400, JSON, "said on purpose")
    answer = ask("POST", "/v2/models/fails/generate_stream", {"IN": 1})
    assert (answer.status, answer.body) == (400, b'data: {"error":"said on purpose"}\n\n')


def test_an_unknown_model_comes_before_a_broken_body_and_that_after_its_encoding() -> None:
    assert told(ask("POST", "/v2/models/nosuch/generate", "{"))[0] == 404
    assert told(ask("POST", "/v2/models/words/generate", "{", "Content-Encoding: gzip")) == (
        400,
        JSON,
        "Unsupported content-encoding, only 'identity' is supported.",
    )
    assert told(ask("POST", "/v2/models/words/generate_stream", "{")) == (
        500,
        JSON,
        "failed to parse the request JSON buffer: Missing a name for object member. at 1",
    )
