"""A request's body, in the order in which Triton looks at it. The words were asked of a real Triton 2.51."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from burnish.serve.core.shared_memory import SharedMemory
from burnish.serve.http.read_request import Call, add_input, parameter_of, read_call
from burnish.serve.request import NEWEST, Request, Sequence, StandIn
from burnish.serve.status import ServeError
from tests.serve.http.asking import tensor

ONE = tensor(shape=[1], data=[1])


def read(document: Any, tail: bytes = b"") -> Call:
    text = json.dumps(document).encode()
    return read_call("m", 3, text + tail, len(text), SharedMemory())


def told(document: Any, tail: bytes = b"") -> tuple[int, str]:
    with pytest.raises(ServeError) as caught:
        read(document, tail)
    return caught.value.code.http, caught.value.message


def test_everything_of_a_request_arrives() -> None:
    call = read(
        {
            "id": "q",
            "parameters": {
                "sequence_id": 7,
                "sequence_end": True,
                "priority": 2,
                "timeout": 50,
                "a": "x",
                "b": 2**63,
                "c": 1.5,
                "d": True,
            },
            "inputs": [tensor("A", "INT8", [1, 2], data=[[1], [300]]), tensor("B", "BYTES", [1], data=["x"])],
            "outputs": [{"name": "OUT", "parameters": {"binary_data": True, "classification": 3}}, {"name": "OUT"}],
        }
    )
    request = call.request
    assert (request.model, request.version, request.id, request.priority, request.timeout_us) == ("m", 3, "q", 2, 50)
    assert request.sequence == Sequence(7, False, True)
    assert request.parameters == {"a": "x", "b": 2.0**63, "c": 1.5, "d": True}
    assert {n: t.data.tolist() for n, t in request.inputs.items()} == {"A": [[1, 44]], "B": [b"x"]}
    assert request.wanted == ("OUT",)
    assert (call.outputs["OUT"].is_binary, call.outputs["OUT"].classes) == (True, 3)
    assert read({"inputs": []}).request.sequence is None


def test_inputs_share_the_binary_part_in_their_order() -> None:
    parts = [tensor(n, "INT16", [2], parameters={"binary_data_size": 4}) for n in "AB"]
    call = read(
        {"inputs": [parts[0], tensor("C", shape=[1], data=[1]), parts[1]]}, np.arange(4, dtype=np.int16).tobytes()
    )
    assert [t.data.tolist() for t in call.request.inputs.values()] == [[0, 1], [1.0], [2, 3]]


@pytest.mark.parametrize(
    ("document", "status", "message"),
    [
        ([], 500, "Unable to parse 'inputs': attempt to access non-existing object member 'inputs'"),
        ({"inputs": {}}, 500, "Unable to parse 'inputs': attempt to access JSON non-array as array"),
        ({"id": 7, "inputs": 1}, 500, "Unable to parse 'id': attempt to access JSON non-string as string"),
        ({"parameters": [], "inputs": 1}, 500, "failed to get request params.: attempt to get members for non-object"),
        (
            {"parameters": {"sequence_id": -1}},
            500,
            "Unable to parse 'sequence_id': attempt to access JSON non-string as string",
        ),
        (
            {"parameters": {"sequence_start": "yes"}},
            500,
            "Unable to parse 'sequence_start': attempt to access JSON non-boolean as boolean",
        ),
        (
            {"parameters": {"timeout": 1.5}},
            500,
            "Unable to parse 'timeout': attempt to access JSON non-unsigned-integer as unsigned-integer",
        ),
        (
            {"parameters": {"triton_x": 1}},
            400,
            "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.",
        ),
        (
            {"parameters": {"a": None}},
            400,
            "parameter 'a' has invalid type. It should be either 'int', 'bool', or 'string'.",
        ),
        (
            {"inputs": [3]},
            400,
            "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', "
            "'shared_memory_region' in 'parameters'. But no field is set",
        ),
        (
            {"inputs": [ONE | {"parameters": {"binary_data_size": 4, "shared_memory_region": "x"}}]},
            400,
            "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', "
            "'shared_memory_region' in 'parameters'. But set 'data' 'binary_data_size' 'shared_memory_region'",
        ),
        ({"inputs": [{"data": 1}]}, 500, "Unable to parse 'name': attempt to access non-existing object member 'name'"),
        ({"inputs": [ONE | {"datatype": 3}]}, 500, "Unable to parse 'datatype': attempt to access JSON "
                                                   "non-string as string"),
        ({"inputs": [ONE | {"shape": 2}]}, 500, "Unable to parse 'shape': attempt to access JSON non-array as array"),
        (
            {"inputs": [ONE | {"shape": [2.0]}]},
            500,
            "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer",
        ),
        (
            {"inputs": [ONE | {"shape": [2, 2**64 - 1]}]},
            400,
            "[request id: <id_unknown>] All input dimensions should be specified for input 'IN' for model 'm', "
            "got [2,-1]",
        ),
        ({"inputs": [ONE | {"shape": [2**63]}]}, 400, f"Unable to parse 'shape': {2**63} is more than an axis "
                                                      f"can have"),
        ({"inputs": [ONE, ONE]}, 400, "[request id: <id_unknown>] input 'IN' already exists in request"),
        ({"inputs": [ONE | {"datatype": "fp32"}]}, 400, "invalid datatype for input IN"),
        ({"inputs": [ONE | {"data": 3}]}, 500, "Unable to parse 'data': attempt to access JSON non-array as array"),
        (
            {"inputs": [tensor(parameters={"binary_data_size": "8"})]},
            500,
            "Unable to parse 'binary_data_size': attempt to access JSON non-unsigned-integer as unsigned-integer",
        ),
        (
            {"inputs": [tensor(parameters={"shared_memory_region": 1})]},
            500,
            "Unable to parse 'shared_memory_region': attempt to access JSON non-string as string",
        ),
        (
            {"inputs": [tensor(parameters={"shared_memory_region": "zz", "shared_memory_byte_size": 8})]},
            404,
            "Unable to find shared memory region: 'zz'",
        ),
        (
            {"inputs": [ONE | {"parameters": {"shared_memory_offset": -1}}]},
            500,
            "Unable to parse 'shared_memory_offset': attempt to access JSON non-unsigned-integer as unsigned-integer",
        ),
        (
            {"inputs": [], "outputs": [{"name": "O", "parameters": {"shared_memory_byte_size": "x"}}]},
            500,
            "Unable to parse 'shared_memory_byte_size': attempt to access JSON non-unsigned-integer as "
            "unsigned-integer",
        ),
        ({"inputs": [], "outputs": {}}, 500, "Unable to parse 'outputs': attempt to access JSON non-array as array"),
        (
            {"inputs": [], "outputs": [1]},
            500,
            "Unable to parse 'name': attempt to access non-existing object member 'name'",
        ),
        (
            {"inputs": [], "outputs": [{"name": "O", "parameters": {"classification": -1}}]},
            500,
            "Unable to set 'classification': attempt to access JSON non-unsigned-integer as unsigned-integer",
        ),
        (
            {"inputs": [], "outputs": [{"name": "O", "parameters": {"binary_data": "true"}}]},
            500,
            "Unable to parse 'binary_data': attempt to access JSON non-boolean as boolean",
        ),
        (
            {"inputs": [], "outputs": [{"parameters": {"shared_memory_region": "x", "classification": 1}}]},
            400,
            "Output can't set both 'shared_memory_region' and 'classification'",
        ),
        (
            {"inputs": [], "outputs": [{"parameters": {"shared_memory_region": "x", "binary_data": True}}]},
            400,
            "Output can't set both 'shared_memory_region' and 'binary_data'",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_as_triton_does(document: Any, status: int, message: str) -> None:
    assert told(document) == (status, message)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (tensor(shape=[], data=[1]), "input byte size mismatch"),
        (tensor(datatype="XX", shape=[0], data=[]), "input byte size mismatch"),
        (tensor(datatype="BYTES", shape=[2], data=["a"]), "expected 2 string elements"),
        (tensor(datatype="BYTES", shape=[1], data=["a", "b"]), "unexpected number of string elements 2"),
    ],
)
def test_data_that_do_not_fit_wait_until_the_core_has_looked(entry: dict[str, Any], message: str) -> None:
    call = read({"inputs": [entry]})
    (given,) = call.request.inputs.values()
    assert isinstance(given, StandIn)
    assert message in str(given.fault)
    assert call.fault is None
    assert given.shape == tuple(entry["shape"])
    assert given.datatype == ("<invalid>" if entry["datatype"] == "XX" else entry["datatype"])


def test_an_element_that_is_cut_short_is_found_by_the_model() -> None:
    cut = tensor(datatype="BYTES", shape=[1], parameters={"binary_data_size": 7})
    call = read_call("m", NEWEST, (head := json.dumps({"inputs": [cut]}).encode()) + b"\x64\0\0\0abc", len(head), None)
    (given,) = call.request.inputs.values()
    assert isinstance(given, StandIn)
    assert given.fault is None
    assert call.fault is not None


def test_more_elements_than_can_be_counted_take_no_memory() -> None:
    huge = tensor(shape=[2**40, 2**40], parameters={"binary_data_size": 0})
    (given,) = read({"inputs": [huge]}).request.inputs.values()
    assert isinstance(given, StandIn)
    assert (given.shape, given.data.size) == ((2**40, 2**40), 0)
    assert "input byte size mismatch for input 'IN'" in str(given.fault)


def test_parameters_keep_their_types() -> None:
    assert [parameter_of("a", v) for v in ("x", True, 1, 1.5, 2**64)] == ["x", True, 1, 1.5, 2.0**64]


def test_an_input_comes_once() -> None:
    request = Request("m", {}, id="q")
    add_input(request, "A")
    request.inputs["A"] = read({"inputs": [ONE]}).request.inputs["IN"]
    with pytest.raises(ServeError, match=r"\[request id: q\] input 'A' already exists in request"):
        add_input(request, "A")
