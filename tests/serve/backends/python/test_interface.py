"""The module that models import, as models use it."""

import numpy as np

from burnish.serve.backends.python import interface as pb


def test_types_have_the_names_of_configurations():
    assert pb.triton_string_to_numpy("TYPE_FP16") is np.float16
    assert pb.triton_string_to_numpy("TYPE_STRING") is np.object_
    assert pb.numpy_to_triton_type(np.int64) == "TYPE_INT64"
    packed = pb.serialize_byte_tensor(np.array([b"ab"], dtype=np.object_))
    assert pb.deserialize_bytes_tensor(packed).tolist() == [b"ab"]
