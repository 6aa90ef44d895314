import numpy as np
import pytest

from burnish.serve.datatypes import NUMPY, config_name, datatype_of, protocol_name


@pytest.mark.parametrize("name", NUMPY)
def test_every_type_has_one_name_in_each_spelling(name):
    assert datatype_of(NUMPY[name]) == name
    assert protocol_name(config_name(name)) == name


def test_texts_of_any_kind_are_bytes():
    assert datatype_of(np.array(["a"]).dtype) == datatype_of(np.array([b"a"]).dtype) == "BYTES"
    assert config_name("BYTES") == "TYPE_STRING"
    with pytest.raises(KeyError):
        datatype_of(np.dtype(np.complex64))
