"""A body that is one tensor. The words were asked of a real Triton 2.51."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.serve.http.raw_input import raw_call
from burnish.serve.status import ServeError
from tests.serve.http.fake_core import FakeVersion, config_of


def version(inputs: str, batch: int = 0) -> FakeVersion:
    return FakeVersion("m", 1, config_of("m", inputs, "OUT TYPE_FP32 1", batch), lambda job: None)


@pytest.mark.parametrize(
    ("inputs", "batch", "body", "shape"),
    [
        ("IN TYPE_FP32 -1", 0, bytes(12), (3,)),
        ("IN TYPE_FP32 -1", 0, b"", (0,)),
        ("IN TYPE_FP32 2,-1", 4, bytes(16), (1, 2, 2)),
        ("IN TYPE_FP32 3", 4, bytes(12), (1, 3)),
        ("IN TYPE_STRING 1", 4, b"abc", (1, 1)),
    ],
)
def test_the_shape_follows_from_the_size(inputs: str, batch: int, body: bytes, shape: tuple[int, ...]) -> None:
    call = raw_call(version(inputs, batch), 1, body)
    assert call.default.is_binary
    (tensor,) = call.request.inputs.values()
    assert (tensor.name, tensor.shape) == ("IN", shape)
    if tensor.datatype == "BYTES":
        assert tensor.data.tolist() == [[b"abc"]]
    else:
        assert np.array_equal(tensor.data, np.zeros(shape))


@pytest.mark.parametrize(
    ("inputs", "body", "message"),
    [
        (
            "A TYPE_FP32 1; B TYPE_FP32 1",
            b"",
            "Raw request must only have 1 input (found 1) to be deduced but got 2 inputs in 'm' model configuration",
        ),
        (
            "IN TYPE_FP32 -1,-1",
            b"",
            "The shape of the raw input 'IN' can not be deduced because there are more than one variable-sized "
            "dimension",
        ),
        ("IN TYPE_STRING -1", b"", "For BYTE datatype raw input 'IN', the model must have input shape [1]"),
        (
            "IN TYPE_FP32 3",
            b"abc",
            "input byte size mismatch for input 'raw_input' for model 'm'. Expected 12, got 3",
        ),
    ],
)
def test_what_cannot_be_deduced_is_refused(inputs: str, body: bytes, message: str) -> None:
    with pytest.raises(ServeError) as caught:
        raw_call(version(inputs), 1, body)
    assert (caught.value.code.http, caught.value.message) == (400, f"[request id: <id_unknown>] {message}")
