"""Values as bytes and as JSON, for every type of the protocol."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.errors import UserError
from burnish.perf.data.tensor import KINDS, Tensor, from_bytes, from_values


@pytest.mark.parametrize("datatype", sorted(set(KINDS) - {"BYTES"}))
def test_values_of_every_type_come_back_from_their_bytes(datatype: str) -> None:
    tensor = from_values("x", datatype, [[1, 0], [1, 1], [0, 1]], (3, 2))
    data = tensor.to_bytes()
    assert len(data) == 6 * np.dtype(KINDS[datatype]).itemsize
    assert from_bytes("x", datatype, data, (3, 2)).array.astype(int).tolist() == [[1, 0], [1, 1], [0, 1]]


def test_each_text_stands_after_its_length() -> None:
    tensor = from_values("x", "BYTES", ["ab", "", "é"], (3,))
    assert tensor.to_bytes() == b"\2\0\0\0ab\0\0\0\0\2\0\0\0\xc3\xa9"
    assert from_bytes("x", "BYTES", tensor.to_bytes(), (3,)).to_json() == ["ab", "", "é"]


def test_one_text_needs_no_length() -> None:
    image = b"\xff\xd8\xff\xe0 no length before it"
    assert from_bytes("x", "BYTES", image, (1, 1)).array.item() == image
    assert from_bytes("x", "BYTES", b"\2\0\0\0ab", (1,)).array.item() == b"ab"


def test_json_values_are_flat() -> None:
    assert from_values("x", "INT32", [[1, 2], [3, 4]], (2, 2)).to_json() == [1, 2, 3, 4]
    assert from_values("x", "BOOL", [1, 0], (2,)).to_json() == [True, False]


@pytest.mark.parametrize("datatype", ["FP16", "BF16"])
def test_half_floats_have_no_json_form(datatype: str) -> None:
    with pytest.raises(UserError, match="no JSON form"):
        from_values("x", datatype, [1], (1,)).to_json()


def test_bytes_that_are_no_text_have_no_json_form() -> None:
    with pytest.raises(UserError, match="not UTF-8"):
        Tensor("x", "BYTES", np.array([b"\xff"], object)).to_json()


@pytest.mark.parametrize(
    ("datatype", "values", "shape"),
    [("FP32", [1, 2, 3], (2,)), ("FP32", ["a"], (1,)), ("BYTES", ["a"], (2,)), ("FP32", [[1, 2], [3]], (3,))],
)
def test_values_that_do_not_fit_are_refused(datatype: str, values: list[object], shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="E683"):
        from_values("x", datatype, values, shape)


@pytest.mark.parametrize("data", [b"\5\0\0\0ab", b"\1\0", b"\1\0\0\0a"])
def test_bytes_that_do_not_fit_are_refused(data: bytes) -> None:
    with pytest.raises(UserError, match="E683"):
        from_bytes("x", "BYTES", data, (2,))
    with pytest.raises(UserError, match="needs 8"):
        from_bytes("x", "FP32", data[:5], (2,))


def test_a_type_that_the_protocol_does_not_have_is_refused() -> None:
    with pytest.raises(UserError, match="E682"):
        from_values("x", "FP8", [1], (1,))
