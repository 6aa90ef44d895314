"""Data between JSON and arrays, with Triton's conversions."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import orjson
import pytest

from burnish.serve.http.text.data import flatten, json_of, numbers_of, spell, strings_of
from burnish.serve.request import Tensor
from burnish.serve.status import ServeError


def test_nesting_does_not_matter() -> None:
    assert flatten([1, [2, [3, []]], [[4]], 5]) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("datatype", "given", "want"),
    [
        ("UINT8", [300, 1], [44, 1]),
        ("INT8", [300, -129], [44, 127]),
        ("UINT16", [70000], [4464]),
        ("INT32", [2**31], [-(2**31)]),
        ("UINT32", [2**64 - 1], [2**32 - 1]),
        ("UINT64", [2**64 - 1], [2**64 - 1]),
        ("INT64", [-(2**63), 2**63 - 1], [-(2**63), 2**63 - 1]),
        ("BOOL", [True, False], [True, False]),
        ("FP32", [0.1, 1], [np.float32(0.1), 1.0]),
        ("FP32", [1e39, -1e39], [math.inf, -math.inf]),
        ("FP64", [123456789012345678, 1e-320], [1.2345678901234568e17, 1e-320]),
    ],
)
def test_numbers_are_converted_as_c_does(datatype: str, given: list, want: list) -> None:
    assert numbers_of("IN", datatype, given, len(given)).tolist() == want


@pytest.mark.parametrize(
    ("datatype", "given", "count", "status", "words"),
    [
        ("UINT8", [-1], 1, 500, "non-unsigned-integer as unsigned-integer"),
        ("UINT64", [2.0], 1, 500, "non-unsigned-integer as unsigned-integer"),
        ("INT32", [1.5], 1, 500, "non-signed-integer as signed-integer"),
        ("INT32", [True], 1, 500, "non-signed-integer as signed-integer"),
        ("INT64", [2**63], 1, 500, "non-signed-integer as signed-integer"),
        ("BOOL", [0], 1, 500, "non-boolean as boolean"),
        ("FP32", [None], 1, 500, "non-number as double"),
        ("FP32", ["a", 1, 2], 2, 500, "non-number as double"),
        ("FP32", [1, 2, "a"], 2, 500, "Shape does not match true shape of 'data' field"),
        ("FP32", [1], 2, 500, "Shape does not match true shape of 'data' field"),
        ("FP16", [1], 1, 400, "receiving FP16 data via JSON is not supported"),
        ("BF16", [1], 1, 400, "receiving BF16 data via JSON is not supported"),
        ("<invalid>", [1], 1, 400, "invalid datatype for input IN"),
    ],
)
def test_the_first_fault_in_order_is_told(datatype: str, given: list, count: int, status: int, words: str) -> None:
    with pytest.raises(ServeError, match=words) as caught:
        numbers_of("IN", datatype, given, count)
    assert caught.value.code.http == status


def test_strings_are_bytes() -> None:
    assert strings_of(["a", "é", "\udcff"]) == [b"a", "é".encode(), b"\xff"]
    with pytest.raises(ServeError, match="Unable to parse JSON bytes array: attempt to access JSON non-string"):
        strings_of(["a", 5])


def dumped(tensor: Tensor, as_single: bool = False) -> bytes:
    return orjson.dumps(json_of(tensor, as_single), option=orjson.OPT_SERIALIZE_NUMPY)


@pytest.mark.parametrize(
    ("datatype", "array", "text"),
    [
        ("FP32", np.array([0.1, 2.0], np.float32), b"[0.10000000149011612,2.0]"),
        ("FP32", np.array([[math.nan, math.inf], [-math.inf, 1]], np.float32), b"[NaN,Infinity,-Infinity,1.0]"),
        ("FP64", np.array([], np.float64), b"[]"),
        ("UINT64", np.array([2**64 - 1], np.uint64), b"[18446744073709551615]"),
        ("BOOL", np.array([True, False]), b"[true,false]"),
        ("INT8", np.array([[1, 2], [3, 4]], np.int8).T, b"[1,3,2,4]"),
        ("BYTES", np.array([b'a"\n\0', b"\xff"], object), b'["a\\"\\n\\u0000","\xff"]'),
    ],
)
def test_data_is_written_as_triton_does(datatype: str, array: np.ndarray, text: bytes) -> None:
    assert dumped(Tensor("OUT", datatype, array)) == text


def test_a_single_element_stands_alone() -> None:
    assert dumped(Tensor("OUT", "FP32", np.array([[1.5]], np.float32)), True) == b"1.5"
    assert dumped(Tensor("OUT", "FP32", np.array([math.nan], np.float32)), True) == b"NaN"
    assert dumped(Tensor("OUT", "BYTES", np.array([b"x"], object)), True) == b'"x"'


@pytest.mark.parametrize(("datatype", "dtype"), [("FP16", np.float16), ("BF16", ml_dtypes.bfloat16)])
def test_half_numbers_are_not_sent(datatype: str, dtype: type) -> None:
    with pytest.raises(ServeError, match=f"sending {datatype} data via JSON is not supported"):
        json_of(Tensor("OUT", datatype, np.zeros(2, dtype)))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0.0"), (-0.0, "-0.0"), (2.0, "2.0"), (-1.5, "-1.5"), (100.0, "100.0"), (1e20, "100000000000000000000.0"),
        (1e21, "1e21"), (1.25e22, "1.25e22"), (0.00001, "0.00001"), (1.5e-7, "1.5e-7"), (1e-308, "1e-308"),
        (123456789.125, "123456789.125"), (math.nan, "NaN"), (-math.inf, "-Infinity"),
    ],
)  # fmt: skip
def test_a_number_that_is_read_as_text_is_spelled_as_triton_spells_it(number: float, text: str) -> None:
    assert spell(number) == text
    whole = Tensor("OUT", "FP64", np.array([0.5, number]))
    assert orjson.dumps(json_of(whole, is_spelled=True), option=orjson.OPT_SERIALIZE_NUMPY) == f"[0.5,{text}]".encode()
