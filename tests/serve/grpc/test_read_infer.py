from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.json_format import ParseDict
from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.grpc._utils import _get_inference_request

from burnish.serve.core.shared_memory import SharedMemory
from burnish.serve.datatypes import NUMPY
from burnish.serve.grpc.read_infer import Asked, read_infer
from burnish.serve.proto import grpc_service_pb2 as pb
from burnish.serve.request import NEWEST, Sequence, StandIn
from burnish.serve.status import Code, ServeError


def read(shared: SharedMemory | None = None, **message: Any) -> Asked:
    return read_infer(ParseDict({"model_name": "m", **message}, pb.ModelInferRequest()), NEWEST, shared)


def given(datatype: str, shape: list[int], name: str = "x", **more: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, **more}


def refused(words: str, code: Code = Code.INVALID_ARG, shared: SharedMemory | None = None, **message: Any) -> None:
    with pytest.raises(ServeError) as found:
        asked = read(shared, **message)
        faults = [t.fault for t in asked.request.inputs.values() if isinstance(t, StandIn)]
        raise next(filter(None, (*faults, asked.fault)))
    assert (found.value.message, found.value.code) == (words, code)


@pytest.mark.parametrize("datatype", list(NUMPY))
@pytest.mark.parametrize("shape", [(2, 3), (0, 4), (1,)])
def test_tensors_come_as_tritons_client_sends_them(datatype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape)).reshape(shape)
    if datatype == "BYTES":
        array = np.array([b"\xff" * int(n) for n in array.ravel()], np.object_).reshape(shape)
    else:
        array = array.astype(NUMPY[datatype])
    tensor = InferInput("x", list(shape), datatype)
    tensor.set_data_from_numpy(array)
    message = _get_inference_request(
        model_name="m", inputs=[tensor], model_version="", request_id="7", outputs=[InferRequestedOutput("y")],
        sequence_id=0, sequence_start=False, sequence_end=False, priority=2, timeout=30, parameters={"k": "v"},
    )  # fmt: skip
    asked = read_infer(pb.ModelInferRequest.FromString(message.SerializeToString()), 3, None)
    request = asked.request
    assert (request.model, request.version, request.id, request.wanted) == ("m", 3, "7", ("y",))
    assert (request.priority, request.timeout_us, request.parameters) == (2, 30, {"k": "v"})
    assert asked.fault is None
    found = request.inputs["x"]
    assert (found.datatype, found.data.dtype, found.shape) == (datatype, NUMPY[datatype], shape)
    assert found.data.astype(array.dtype).tolist() == array.tolist()


CONTENTS = {
    "BOOL": ("bool_contents", [True, False]),
    "INT8": ("int_contents", [-128, 300]),
    "INT16": ("int_contents", [-1, 70000]),
    "INT32": ("int_contents", [-(1 << 31), 5]),
    "INT64": ("int64_contents", [-(1 << 63), 5]),
    "UINT8": ("uint_contents", [255, 300]),
    "UINT16": ("uint_contents", [65535, 70000]),
    "UINT32": ("uint_contents", [0, (1 << 32) - 1]),
    "UINT64": ("uint64_contents", [0, (1 << 64) - 1]),
    "FP32": ("fp32_contents", [1.5, -2]),
    "FP64": ("fp64_contents", [1e300, -2]),
}


@pytest.mark.parametrize("datatype", CONTENTS)
def test_contents_are_read_from_their_types_field_and_wrap_around(datatype: str) -> None:
    field, values = CONTENTS[datatype]
    found = read(inputs=[given(datatype, [1, 2], contents={field: values})]).request.inputs["x"]
    bits = 8 * NUMPY[datatype].itemsize
    kind = NUMPY[datatype].kind
    want = [v % (1 << bits) for v in values] if kind in "iu" else values
    got = [int(v) % (1 << bits) for v in found.data.ravel()] if kind in "iu" else found.data.ravel().tolist()
    assert got == want
    assert (found.data.dtype, found.shape) == (NUMPY[datatype], (1, 2))


def test_string_contents_are_bytes() -> None:
    found = read(inputs=[given("BYTES", [2, 1], contents={"bytes_contents": ["YWI=", ""]})]).request.inputs["x"]
    assert found.data.tolist() == [[b"ab"], [b""]]


INTS = {"int_contents": [1, 2, 3, 4]}


def test_contents_in_another_types_field_are_refused() -> None:
    start = "unexpected explicit tensor data for input tensor 'x' for model 'm'"
    floats = {"fp32_contents": [1]}
    refused(f"{start} of type 'FP32', expected datatype 'FP16'", inputs=[given("FP16", [1], contents=floats)])
    refused(f"{start} of type 'INT32', expected datatype '<invalid>'", inputs=[given("FOO", [4], contents=INTS)])
    refused(f"{start}, binary data was already supplied.", inputs=[given("INT32", [4], contents={**INTS, **floats})])


def test_data_that_is_missing_or_there_twice_is_refused() -> None:
    lacks = "unable to find data for input tensor '{}' for model 'm' in request."
    one, other = given("INT32", [1]), given("INT32", [1], "y")
    refused(lacks.format("x"), inputs=[one, other])
    refused(lacks.format("y"), inputs=[one, other], raw_input_contents=["AAAAAA=="])
    words = "contents field must not be specified when using raw_input_contents for 'x' for model 'm'"
    refused(words, inputs=[given("INT32", [4], contents=INTS)], raw_input_contents=["AAAAAA=="])
    refused(
        "[request id: 5] input 'x' already exists in request", id="5", inputs=[given("INT32", [4], contents=INTS)] * 2
    )
    assert read(inputs=[one], raw_input_contents=["AAAAAA==", "AA=="]).fault is None  # as Triton: what is left over


def test_data_of_a_wrong_size_is_told_after_all_else() -> None:
    size = "[request id: <id_unknown>] input byte size mismatch for input 'x' for model 'm'. Expected 16, got {}"
    for count in (0, 3, 5):
        message: dict[str, Any] = {"inputs": [given("INT32", [1, 4], contents={"int_contents": list(range(count))})]}
        asked = read(**message)
        assert asked.request.inputs["x"].shape == (1, 4)
        refused(size.format(4 * count), **message)
    refused(size.format(3), inputs=[given("INT32", [1, 4])], raw_input_contents=["AAAA"])
    strings = "[request id: 5] expected 2 string elements for inference input 'x' for model 'm', got 1"
    refused(strings, id="5", inputs=[given("BYTES", [2], contents={"bytes_contents": ["YQ=="]})])
    cut = "incomplete string data for inference input 'x', expecting string of length 100 but only 3 bytes available"
    refused(cut, inputs=[given("BYTES", [1])], raw_input_contents=["ZAAAAGFiYw=="])


def test_shapes_beyond_all_memory_are_refused_without_taking_any() -> None:
    for shape in ([1 << 40, 1 << 40], [(1 << 63) - 1], [1] * 100):
        message = ParseDict(
            {"model_name": "m", "inputs": [given("INT32", shape)], "raw_input_contents": ["AA=="]},
            pb.ModelInferRequest(),
        )
        (tensor,) = read_infer(message, NEWEST, None).request.inputs.values()
        assert isinstance(tensor, StandIn)
        assert "input byte size mismatch" in str(tensor.fault)
        assert tensor.shape == tuple(shape)


def test_negative_sizes_wait_until_the_core_has_looked() -> None:
    for entry in (given("INT32", [-1, -4], contents=INTS), given("BYTES", [-1])):
        asked = read(inputs=[entry], raw_input_contents=[] if "contents" in entry else ["AA=="])
        (tensor,) = asked.request.inputs.values()
        assert tensor.shape == tuple(entry["shape"])


def parameters(**found: Any) -> Any:
    return read(parameters={name: dict([pair]) if pair else {} for name, pair in found.items()})


def test_parameters_are_the_models_but_for_those_that_the_server_knows() -> None:
    asked = parameters(
        a=("int64_param", 5), b=("bool_param", True), c=("string_param", "t"), d=("double_param", 1.5),
        priority=("uint64_param", 3), timeout=("int64_param", 9), sequence_id=("int64_param", -5),
        sequence_start=("bool_param", True), sequence_end=("bool_param", False),
        triton_enable_empty_final_response=("bool_param", True),
    )  # fmt: skip
    assert asked.request.parameters == {"a": 5, "b": True, "c": "t", "d": 1.5}
    assert asked.request.sequence == Sequence((1 << 64) - 5, True, False)
    assert (asked.request.priority, asked.request.timeout_us, asked.wishes.empty_final) == (3, 9, True)
    assert parameters(sequence_id=("string_param", "s")).request.sequence == Sequence("s")
    assert parameters().request.sequence is None


KINDS = {"int64_param": 1, "uint64_param": 1, "string_param": "1", "bool_param": True, "double_param": 1.0, None: None}
EXPECTED = {
    "sequence_id": ("int64_param or string_param.", ("int64_param", "string_param")),
    "sequence_start": ("bool_param.", ("bool_param",)),
    "sequence_end": ("bool_param.", ("bool_param",)),
    "priority": ("int64_param or uint64_param.", ("int64_param", "uint64_param")),
    "timeout": ("int64_param.", ("int64_param",)),
    "triton_enable_empty_final_response": ("bool_param.", ("bool_param",)),
    "other": (
        "int64_param, bool_param, or string_param.",  # Triton's words, which forget the last kind
        ("int64_param", "bool_param", "string_param", "double_param"),
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("kind", KINDS)
def test_a_parameter_of_the_wrong_kind_is_refused_by_name(name: str, kind: str | None) -> None:
    words, allowed = EXPECTED[name]
    found = {name: (kind, KINDS[kind]) if kind else None}
    if kind in allowed:
        parameters(**found)
        return
    with pytest.raises(ServeError) as refusal:
        parameters(**found)
    assert refusal.value.message == f"invalid value type for '{name}' parameter, expected {words}"


def test_reserved_and_negative_parameters_are_refused() -> None:
    with pytest.raises(ServeError, match="'triton_' are allowed: triton_enable_empty_final_response"):
        parameters(triton_x=("string_param", "t"))
    with pytest.raises(ServeError, match="invalid value for 'priority', expected value >= 0"):
        parameters(priority=("int64_param", -1))


def output(name: str = "y", **found: Any) -> dict[str, Any]:
    return {"name": name, "parameters": {k: {kind: v} for k, (kind, v) in found.items()}}


def test_outputs_are_asked_for_once_each_and_may_be_classified() -> None:
    asked = read(outputs=[output("b"), output("a", classification=("int64_param", 3)), output("b")])
    assert asked.request.wanted == ("b", "a")
    assert asked.wishes.classes == {"a": 3}
    refused(
        "invalid value for 'classification' parameter, expected >= 0",
        outputs=[output(classification=("int64_param", 0))],
    )
    words = "invalid value type for 'classification' parameter, expected int64_param"
    refused(words, outputs=[output(classification=("string_param", "1"))])


@pytest.fixture
def shared() -> Iterator[SharedMemory]:
    path = Path(f"/dev/shm/burnish-test-grpc-{os.getpid()}")
    path.write_bytes(np.arange(8, dtype=np.int32).tobytes())
    memory = SharedMemory()
    memory.register("r", f"/{path.name}", 0, 32)
    yield memory
    memory.unregister_all()
    path.unlink()


def region(size: int, offset: int | None = None, name: str = "r") -> dict[str, Any]:
    found = {"shared_memory_region": ("string_param", name), "shared_memory_byte_size": ("int64_param", size)}
    return found if offset is None else {**found, "shared_memory_offset": ("int64_param", offset)}


def test_an_input_in_shared_memory_takes_none_of_the_raw_contents(shared: SharedMemory) -> None:
    inputs = [given("INT32", [4], "a", parameters=output(**region(16, 8))["parameters"]), given("INT32", [1], "b")]
    found = read(shared, inputs=inputs, raw_input_contents=["BwAAAA=="]).request.inputs
    assert found["a"].data.tolist() == [2, 3, 4, 5]
    assert found["b"].data.tolist() == [7]


def test_outputs_may_go_to_shared_memory(shared: SharedMemory) -> None:
    part = read(shared, outputs=[output(**region(16, 8))]).wishes.parts["y"]
    assert (part.region.name, part.offset, part.size) == ("r", 8, 16)


def test_what_is_wrong_with_shared_memory_is_told_in_tritons_words(shared: SharedMemory) -> None:
    def input_with(**found: Any) -> list[dict[str, Any]]:
        return [given("INT32", [4], parameters=output(**found)["parameters"])]

    refused(
        "Unable to find shared memory region: 'zz'", Code.NOT_FOUND, shared, inputs=input_with(**region(16, name="zz"))
    )
    refused("Invalid offset for shared memory region: 'r'", shared=shared, inputs=input_with(**region(16, 99999)))
    refused("Invalid offset for shared memory region: 'r'", shared=shared, inputs=input_with(**region(16, -1)))
    refused(
        "Invalid offset + byte size for shared memory region: 'r'", shared=shared, inputs=input_with(**region(16, 24))
    )
    words = "invalid value type for '{}' parameter for tensor 'x', expected {}."
    name = "shared_memory_region"
    refused(words.format(name, "string_param"), shared=shared, inputs=input_with(**{name: ("int64_param", 1)}))
    for name in ("shared_memory_byte_size", "shared_memory_offset"):
        wrong = {**region(16), name: ("string_param", "1")}
        refused(words.format(name, "int64_param"), shared=shared, inputs=input_with(**wrong))
    words = "'shared_memory_byte_size' must be specified along with 'shared_memory_region' parameter for tensor 'x'"
    refused(words, shared=shared, inputs=input_with(shared_memory_region=("string_param", "r")))
    words = "'shared_memory_offset' can not be specified without 'shared_memory_region' parameter for tensor 'x'"
    refused(words, shared=shared, inputs=input_with(shared_memory_offset=("int64_param", 0)))
    words = "unexpected 'content' provided when using shared memory for input tensor 'x' for model 'm'"
    refused(words, shared=shared, inputs=[{**input_with(**region(16))[0], "contents": INTS}])
    words = "output can't set both 'shared_memory_region' and 'classification'"
    refused(words, shared=shared, outputs=[output(**region(16), classification=("int64_param", 1))])
    words = "system shared memory is switched off on this server"
    refused(words, Code.UNSUPPORTED, inputs=input_with(**region(16)))
