from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import InferResult, service_pb2

from burnish.serve.core.shared_memory import SharedMemory
from burnish.serve.datatypes import NUMPY
from burnish.serve.grpc.read_infer import Part, Wishes
from burnish.serve.grpc.write_infer import fill
from burnish.serve.proto import grpc_service_pb2 as pb
from burnish.serve.request import Response, Tensor
from burnish.serve.status import Code, ServeError
from tests.serve.grpc.pretended import PretendedVersion, identity


def written(response: Response, wishes: Wishes | None = None, rows: int = 0) -> service_pb2.ModelInferResponse:
    version = PretendedVersion("m", 2, identity)
    version.max_batch_size = rows
    message = pb.ModelInferResponse()
    fill(message, response, version, wishes or Wishes())  # type: ignore[arg-type]
    return service_pb2.ModelInferResponse.FromString(message.SerializeToString())


@pytest.mark.parametrize("datatype", [d for d in NUMPY if d != "BYTES"])
def test_tritons_client_reads_numbers(datatype: str) -> None:
    array = np.array([[0, 1, 2]]).astype(NUMPY[datatype])
    message = written(Response("m", 2, "7", [Tensor("y", datatype, array)]))
    assert (message.model_name, message.model_version, message.id) == ("m", "2", "7")
    assert InferResult(message).as_numpy("y").tolist() == array.astype(np.float64).tolist()


def test_tritons_client_reads_strings() -> None:
    array = np.array([[b"ab", b""]], np.object_)
    assert (
        InferResult(written(Response("m", 2, "", [Tensor("y", "BYTES", array)]))).as_numpy("y").tolist()
        == array.tolist()
    )


def test_parameters_keep_their_kinds() -> None:
    message = written(Response("m", 2, "", [], {"b": True, "i": 5, "f": 1.5, "s": "t"}))
    kinds = {name: p.WhichOneof("parameter_choice") for name, p in message.parameters.items()}
    assert kinds == {"b": "bool_param", "i": "int64_param", "f": "double_param", "s": "string_param"}


def test_an_output_may_be_classes_of_each_row() -> None:
    scores = Tensor("y", "FP32", np.array([[1, 2], [4, 3]], np.float32))
    message = written(Response("m", 2, "", [scores]), Wishes(classes={"y": 1}), rows=4)
    assert InferResult(message).as_numpy("y").tolist() == [[b"2.000000:1:birch"], [b"4.000000:0:ash"]]


def test_an_output_in_shared_memory_is_empty_in_the_message() -> None:
    path = Path(f"/dev/shm/burnish-test-write-{os.getpid()}")
    path.write_bytes(bytes(32))
    memory = SharedMemory()
    try:
        memory.register("r", f"/{path.name}", 0, 32)
        tensor = Tensor("y", "INT32", np.arange(4, dtype=np.int32))
        message = written(Response("m", 2, "", [tensor]), Wishes(parts={"y": Part(memory.find("r", 8, 16), 8, 16)}))
        assert [*message.raw_output_contents] == [b""]
        assert path.read_bytes()[8:24] == tensor.data.tobytes()
        with pytest.raises(ServeError) as found:
            written(Response("m", 2, "", [tensor]), Wishes(parts={"y": Part(memory.find("r", 8, 8), 8, 8)}))
        assert found.value.code == Code.INTERNAL
        assert "(8 bytes) should be at least 16 bytes" in found.value.message
    finally:
        memory.unregister_all()
        path.unlink()
