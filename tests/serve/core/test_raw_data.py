"""Tensors as bytes, and what is told when they do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.serve.core.raw_data import DataFault, bytes_of, object_tensor, stand_in, tensor_of
from burnish.serve.datatypes import NUMPY


@pytest.mark.parametrize("datatype", sorted(set(NUMPY) - {"BYTES"}))
def test_numbers_are_views_of_the_bytes(datatype: str) -> None:
    want = np.arange(6).astype(NUMPY[datatype]).reshape(2, 3)
    raw = want.tobytes()
    tensor = tensor_of("IN", datatype, (2, 3), raw, "m")
    assert tensor.data.dtype == NUMPY[datatype]
    np.testing.assert_array_equal(tensor.data, want)
    assert bytes_of(tensor) == raw
    assert np.shares_memory(tensor.data, np.frombuffer(raw, np.uint8))


def test_bytes_that_are_not_aligned_are_copied() -> None:
    tensor = tensor_of("IN", "FP32", (1,), memoryview(b"\0" + np.float32(1.5).tobytes())[1:], "m")
    assert tensor.data.flags.aligned
    assert tensor.data.tolist() == [1.5]


def test_strings_come_out_as_they_went_in() -> None:
    raw = b"\2\0\0\0ab\0\0\0\0\3\0\0\0\xff\0z"
    tensor = tensor_of("IN", "BYTES", (3, 1), raw, "m")
    assert tensor.data.tolist() == [[b"ab"], [b""], [b"\xff\0z"]]
    assert bytes_of(tensor) == raw
    assert bytes_of(object_tensor("IN", [b"ab"], (1, 1))) == raw[:6]


@pytest.mark.parametrize(
    ("datatype", "shape", "raw", "message"),
    [
        ("FP32", (2,), b"1234567", "input byte size mismatch for input 'IN' for model 'm'. Expected 8, got 7"),
        ("BYTES", (3,), b"\2\0\0\0ab", "expected 3 string elements for inference input 'IN' for model 'm', got 1"),
        ("BYTES", (10**18,), b"\0\0\0\0", f"expected {10**18} string elements for inference input 'IN' for "
                                          f"model 'm', got 1"),
        ("BYTES", (0,), b"\0\0\0\0", "unexpected number of string elements 1 for inference input 'IN' for "
                                     "model 'm', expecting 0"),
        (
            "BYTES",
            (1,),
            b"\0\0",
            "incomplete string length indicator for inference input 'IN' for model 'm', expecting 4 bytes but "
            "only 2 bytes "
            "available. Please make sure the string length indicator is in one buffer.",
        ),
        ("BYTES", (2,), b"\x64\0\0\0abc", "expected 2 string elements for inference input 'IN' for model 'm', got 1"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_as_triton_does(
    datatype: str, shape: tuple[int, ...], raw: bytes, message: str
) -> None:
    with pytest.raises(DataFault) as caught:
        tensor_of("IN", datatype, shape, raw, "m")
    assert caught.value.error("q").message == f"[request id: q] {message}"


def test_an_element_that_is_cut_short_is_told_without_the_requests_id() -> None:
    with pytest.raises(DataFault) as caught:
        tensor_of("IN", "BYTES", (1,), b"\x64\0\0\0abc", "m")
    assert caught.value.error("q").message == (
        "incomplete string data for inference input 'IN', expecting string of length 100 but only 3 bytes available"
    )


def test_a_stand_in_takes_no_memory() -> None:
    tensor = stand_in("IN", "FP64", (1 << 40, 2))
    assert (tensor.shape, tensor.data.dtype, tensor.data.nbytes) == ((1 << 40, 2), np.float64, 0)
