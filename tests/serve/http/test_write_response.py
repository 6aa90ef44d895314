"""Responses as JSON and bytes."""

from __future__ import annotations

import json

import numpy as np

from burnish.serve.http.read_request import Call, OutputForm
from burnish.serve.http.write_response import write_response
from burnish.serve.request import Request, Response, Tensor

NUMBERS = Tensor("N", "INT32", np.array([[3, 1, 2]], np.int32))


def written(outputs: list[Tensor], call: Call, **more: object) -> tuple[dict, list[bytes]]:
    head, binary = write_response(Response("m", 3, outputs=outputs, **more), call, lambda name: None, True)
    return json.loads(head), binary


def test_each_output_is_sent_as_it_was_asked_for() -> None:
    call = Call(Request("m", {}), {"B": OutputForm(is_binary=True), "C": OutputForm(classes=1, is_binary=True)})
    named = [Tensor(name, "INT32", NUMBERS.data) for name in "ABC"]
    head, binary = written(named, call, id="q", parameters={"p": 1})
    assert head == {
        "id": "q",
        "model_name": "m",
        "model_version": "3",
        "parameters": {"p": 1},
        "outputs": [
            {"name": "A", "datatype": "INT32", "shape": [1, 3], "data": [3, 1, 2]},
            {"name": "B", "datatype": "INT32", "shape": [1, 3], "parameters": {"binary_data_size": 12}},
            {"name": "C", "datatype": "BYTES", "shape": [1, 1], "parameters": {"binary_data_size": 7}},
        ],
    }
    assert binary == [NUMBERS.data.tobytes(), b"\3\0\0\0003:0"]


def test_no_outputs_are_an_empty_list() -> None:
    assert written([], Call(Request("m", {})))[0] == {"model_name": "m", "model_version": "3", "outputs": []}
