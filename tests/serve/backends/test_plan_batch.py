"""Batches on contexts that stand in for a plan's."""

import numpy as np
import pytest

from burnish.errors import UserError
from burnish.serve.backends.plan_batch import compute, load_engine
from burnish.serve.bytes_tensor import object_array
from burnish.serve.request import Tensor
from burnish.serve.status import Code, ServeError


def x(*rows):
    return {"x": Tensor("x", "INT32", np.array([[n] for n in rows], np.int32))}


def test_each_request_gets_its_own_rows():
    answers, begin, end = compute(lambda given: {"y": given["x"] * 2}, [x(1), x(2, 3)], [1, 2])
    assert [[t.data.tolist() for t in outputs] for outputs in answers] == [[[[2]]], [[[4], [6]]]]
    assert 0 < begin <= end


def test_texts_are_bytes_outside_and_texts_inside():
    seen = {}

    def context(given):
        seen.update(given)
        return {"y": np.array(["ö", "b"], np.object_), "z": [{1: 0.25, 2: 0.75}]}

    texts = {"x": Tensor("x", "BYTES", object_array([b"a"], (1,)))}
    ((y, z),), *_ = compute(context, [texts], [1])
    assert seen["x"].tolist() == ["a"]
    assert (y.datatype, y.data.tolist()) == ("BYTES", ["ö".encode(), b"b"])
    assert (z.datatype, z.data.tolist()) == ("FP32", [[0.25, 0.75]])


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UserError("E502", "too large"), Code.INVALID_ARG, "E502"),
        (UserError("E525", "out of range"), Code.INTERNAL, "E525"),
        (MemoryError("no room"), Code.INTERNAL, "the model failed: MemoryError: no room"),
    ],
)
def test_what_goes_wrong_is_an_error_with_its_code(error, code, words):
    def context(given):
        raise error

    with pytest.raises(ServeError, match=words) as caught:
        compute(context, [x(1)], [1])
    assert caught.value.code is code


def test_a_plan_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_engine(tmp_path / "model.plan", None, None, None)
