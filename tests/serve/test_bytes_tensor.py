import numpy as np
import pytest

from burnish.serve.bytes_tensor import object_array, pack_bytes, unpack_bytes


def test_elements_come_back_as_they_were():
    items = [b"", b"ab", b"\0\xff", "ö".encode()]
    packed = pack_bytes(object_array(items, (2, 2)))
    assert packed[:4] == b"\0\0\0\0"
    assert unpack_bytes(packed) == items
    assert unpack_bytes(memoryview(packed), most=4) == items


def test_texts_are_utf_8():
    assert unpack_bytes(pack_bytes(np.array(["ö"], dtype=np.object_))) == ["ö".encode()]


@pytest.mark.parametrize("data", [b"\1", b"\2\0\0\0a", b"\0\0\0\0\0"])
def test_data_that_ends_within_an_element_is_refused(data):
    with pytest.raises(ValueError, match="ends within"):
        unpack_bytes(data)


def test_more_elements_than_expected_are_refused():
    with pytest.raises(ValueError, match="more than 1"):
        unpack_bytes(b"\0\0\0\0" * 2, most=1)


def test_elements_of_one_length_stay_objects():
    array = object_array([b"ab", b"cd"], (2, 1))
    assert array.dtype == np.object_
    assert array.shape == (2, 1)
