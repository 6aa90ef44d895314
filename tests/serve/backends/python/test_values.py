"""Tensors, responses and errors, as models use them."""

import numpy as np
import pytest

from burnish.serve.backends.python import values as pb


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


def test_a_response_may_hold_an_error_instead():
    response = pb.InferenceResponse(error=pb.TritonError("no", pb.TritonError.NOT_FOUND))
    assert response.has_error()
    assert (response.error().message(), response.error().code().name) == ("no", "NOT_FOUND")
    with pytest.raises(pb.TritonModelException, match="TritonError"):
        pb.InferenceResponse(error="no")
