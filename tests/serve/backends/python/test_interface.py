"""The module that models import, as models use it."""

import numpy as np
import pytest

from burnish.serve.backends.python import interface as pb
from burnish.serve.request import Tensor as Held


def request(**fields):
    header = {
        "number": 1, "id": "q", "model": "m", "sequence": "abc", "flags": 3, "timeout": 5, "priority": 2,
        "wanted": ["Y"], "parameters": {"loud": True}, **fields,
    }  # fmt: skip
    inputs = [Held("X", "FP32", np.ones((2,), np.float32))]
    return pb.InferenceRequest(header, inputs, lambda: None)


def test_a_request_tells_what_the_client_sent():
    found = request()
    assert (found.request_id(), found.correlation_id(), found.flags(), found.timeout()) == ("q", "abc", 3, 5)
    assert (found.requested_output_names(), found.parameters(), found.priority()) == (["Y"], '{"loud": true}', 2)
    assert pb.get_input_tensor_by_name(found, "X").as_numpy().tolist() == [1, 1]
    assert pb.get_input_tensor_by_name(found, "Z") is None
    with pytest.raises(pb.TritonModelException, match="not supported"):
        found.exec()


def test_tensors_are_made_of_arrays_alone_and_know_their_type():
    tensor = pb.Tensor("t", np.array(["a", "bc"]))
    assert (tensor.triton_dtype(), tensor.shape(), tensor.is_cpu()) == ("BYTES", [2], True)
    for wrong in ([1, 2], np.zeros(1, np.complex64)):
        with pytest.raises(pb.TritonModelException, match="'t'"):
            pb.Tensor("t", wrong)


def test_tensors_are_shared_with_other_libraries_without_a_copy():
    array = np.arange(3, dtype=np.float32)
    tensor = pb.Tensor.from_dlpack("u", pb.Tensor("t", array))
    assert tensor.name() == "u"
    assert np.shares_memory(tensor.as_numpy(), array)
    assert np.shares_memory(np.from_dlpack(tensor), array)


def test_a_response_sender_ends_with_the_final_flag():
    sent = []
    sender = pb.ResponseSender(lambda response, final: sent.append((response, final)), {})
    with pytest.raises(pb.TritonModelException, match="must be provided"):
        sender.send()
    one = pb.InferenceResponse([pb.Tensor("Y", np.ones(1))])
    sender.send(one)
    sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
    assert sent == [(one, False), (None, True)]
    with pytest.raises(pb.TritonModelException, match="has been closed"):
        sender.send(one)


def test_types_have_the_names_of_configurations():
    assert pb.triton_string_to_numpy("TYPE_FP16") is np.float16
    assert pb.triton_string_to_numpy("TYPE_STRING") is np.object_
    assert pb.numpy_to_triton_type(np.int64) == "TYPE_INT64"
    packed = pb.serialize_byte_tensor(np.array([b"ab"], dtype=np.object_))
    assert pb.deserialize_bytes_tensor(packed).tolist() == [b"ab"]


def test_a_response_may_hold_an_error_instead():
    response = pb.InferenceResponse(error=pb.TritonError("no", pb.TritonError.NOT_FOUND))
    assert response.has_error()
    assert (response.error().message(), response.error().code().name) == ("no", "NOT_FOUND")
    with pytest.raises(pb.TritonModelException, match="TritonError"):
        pb.InferenceResponse(error="no")
