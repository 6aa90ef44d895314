import numpy as np
import pytest

from burnish.serve.scheduling.raw_tensors import decode, zeros
from burnish.serve.status import ServeError


def test_numbers_are_read_in_order_and_may_be_written_to():
    data = decode(np.arange(6, dtype="<i4").tobytes(), "INT32", (2, 3), "x")
    assert data.tolist() == [[0, 1, 2], [3, 4, 5]] and data.flags.writeable


def test_strings_stand_after_their_length():
    data = decode(b"\x02\x00\x00\x00ab\x00\x00\x00\x00", "BYTES", (1, 2), "x")
    assert data.tolist() == [[b"ab", b""]]


@pytest.mark.parametrize("content", [b"\x02\x00\x00\x00a", b"\x00\x00\x00", b"", b"\x00\x00\x00\x00" * 2])
def test_strings_that_are_cut_or_too_many_are_refused(content):
    with pytest.raises(ServeError, match="the file of x must hold 1 strings"):
        decode(content, "BYTES", (1,), "x")


def test_a_wrong_length_is_refused():
    with pytest.raises(ServeError, match="must hold 8 bytes, and holds 7"):
        decode(b"1234567", "FP32", (2,), "x")


def test_zeros_of_strings_are_empty():
    assert zeros("BYTES", (2,)).tolist() == [b"", b""]
    assert zeros("BF16", (1,)).tolist() == [0]
