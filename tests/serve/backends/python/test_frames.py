import ml_dtypes
import numpy as np
import pytest

from burnish.serve.backends.python.frames import Reader, describe, pack, take
from burnish.serve.bytes_tensor import object_array
from burnish.serve.request import Tensor

TENSORS = [
    Tensor("a", "FP32", np.arange(6, dtype=np.float32).reshape(2, 3)),
    Tensor("b", "BYTES", object_array([b"x", b"", "ö".encode()], (3, 1))),
    Tensor("c", "BF16", np.ones((2,), ml_dtypes.bfloat16)),
    Tensor("d", "INT64", np.zeros((0, 4), np.int64)),
    Tensor("e", "BOOL", np.array(True)),
]


def fed(reader, data):
    """The messages that are complete once the data came, as much at a time as there is space for."""
    found = []
    while data:
        space = reader.space()
        count = min(len(space), len(data))
        space[:count] = data[:count]
        found += reader.took(count)
        data = data[count:]
    return found


@pytest.mark.parametrize("small", [16, 50, 1 << 16])
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_messages_come_out_as_they_went_in_however_they_arrive(step, small):
    stream = b"".join(pack({"kind": "k", "tensors": describe(TENSORS)}, TENSORS)) + b"".join(pack({"kind": "l"}))
    reader, found = Reader(small), []
    for place in range(0, len(stream), step):
        found += fed(reader, stream[place : place + step])
    (header, data), (second, empty) = found
    tensors, end = take(header["tensors"], data, 0)
    assert end == len(data)
    assert (second, len(empty)) == ({"kind": "l"}, 0)
    for got, want in zip(tensors, TENSORS):
        assert (got.name, got.datatype, got.shape) == (want.name, want.datatype, want.shape)
        assert got.data.tolist() == want.data.tolist()


def test_a_view_of_every_second_element_is_sent_as_those_elements():
    view = Tensor("v", "INT32", np.arange(6, dtype=np.int32)[::2])
    (header, data) = fed(Reader(), b"".join(pack({"t": describe([view])}, [view])))[0]
    assert take(header["t"], data, 0)[0][0].data.tolist() == [0, 2, 4]


def test_a_clients_text_that_is_no_utf_8_goes_through():
    header = {"id": b"caf\xe9".decode("utf-8", "surrogateescape")}
    assert fed(Reader(), b"".join(pack(header)))[0][0] == header
