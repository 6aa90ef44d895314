"""The classification extension; the texts were asked of a real Triton 2.51."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.serve.core.classification import classify
from burnish.serve.request import Tensor
from burnish.serve.status import ServeError

LABELS = ["ash", "birch", "", "douglas fir"]


def texts(data: np.ndarray, datatype: str, count: int, has_batch_axis: bool = True) -> list:
    return classify(Tensor("OUT", datatype, data), count, LABELS, has_batch_axis).data.tolist()


def test_the_largest_come_first_and_of_equal_ones_the_one_in_front() -> None:
    data = np.array([[0.1, 0.5, 0.2, 0.5, -1]], np.float32)
    assert texts(data, "FP32", 3) == [[b"0.500000:1:birch", b"0.500000:3:douglas fir", b"0.200000:2"]]
    assert texts(data, "FP32", 9)[0][-1] == b"-1.000000:4"


def test_large_and_unsigned_numbers_are_whole() -> None:
    assert texts(np.array([[1e38]], np.float32), "FP32", 1) == [
        [b"99999996802856924650656260769173209088.000000:0:ash"]
    ]
    assert texts(np.array([0, 255, 3], np.uint8), "UINT8", 2, False) == [b"255:1:birch", b"3:2"]
    assert texts(np.array([[-128, 127]], np.int8), "INT8", 2) == [[b"127:1:birch", b"-128:0:ash"]]


def test_each_row_of_a_batch_has_its_own() -> None:
    data = np.arange(12, dtype=np.int32).reshape(2, 3, 2)
    assert classify(Tensor("OUT", "INT32", data), 1, None, True).data.tolist() == [[b"5:5"], [b"11:5"]]
    assert classify(Tensor("OUT", "INT32", data), 1, None, False).data.tolist() == [b"11:11"]
    assert classify(Tensor("OUT", "INT32", data[:0]), 1, None, True).shape == (0, 0)


@pytest.mark.parametrize("datatype", ["BYTES", "BOOL", "FP16", "BF16"])
def test_other_types_have_no_classes(datatype: str) -> None:
    with pytest.raises(ServeError, match=f"unsupported type '{datatype}'"):
        classify(Tensor("OUT", datatype, np.zeros((1, 2))), 1, None, True)
