import math

import ml_dtypes
import numpy as np
import pytest

from burnish.serve.scheduling.traffic.difference import Difference, Tolerance, differences
from tests.serve.scheduling.fakes import tensor

NONE = Tolerance()


def numbers(a, b, tolerance=NONE, dtype=np.float32, datatype="FP32"):
    (found,) = differences(
        [tensor("A", np.array(a, dtype), datatype)], [tensor("A", np.array(b, dtype), datatype)], tolerance
    )
    return found


def test_equal_answers_differ_in_nothing_and_a_nan_equals_a_nan():
    assert numbers([1, math.nan, math.inf], [1, math.nan, math.inf]) == Difference("A", 3)


def test_the_largest_absolute_and_relative_differences_are_told():
    found = numbers([1, 10, 4], [1.5, 12, 4])
    assert (found.elements, found.unequal, found.max_abs, found.max_rel) == (3, 2, 2.0, 0.5)


def test_what_is_within_the_tolerance_is_not_beyond_it():
    assert numbers([100, 1], [100.05, 1.05], Tolerance(rtol=1e-3)).beyond == 1
    assert numbers([100, 1], [100.05, 1.05], Tolerance(atol=0.1)).beyond == 0


@pytest.mark.parametrize("a, b", [(1.0, math.nan), (math.nan, 1.0), (math.inf, 1.0), (math.inf, -math.inf)])
def test_where_one_is_not_finite_the_difference_is_infinite(a, b):
    found = numbers([a], [b], Tolerance(1, 1))
    assert (found.unequal, found.beyond, found.max_abs) == (1, 1, math.inf)


def test_integers_are_compared_without_wrapping():
    found = numbers([0, 200], [1, 100], dtype=np.uint8, datatype="UINT8")
    assert (found.max_abs, found.unequal) == (100, 2)


def test_types_without_a_numpy_of_their_own_are_compared():
    assert numbers([1, 2], [1, 4], dtype=ml_dtypes.bfloat16, datatype="BF16").max_abs == 2


def test_texts_and_truths_are_counted():
    texts = [
        tensor("A", np.array([b"a", b"b"], np.object_), "BYTES"),
        tensor("A", np.array([b"a", b"c"], np.object_), "BYTES"),
    ]
    (found,) = differences(texts[:1], texts[1:], NONE)
    assert found == Difference("A", 2, 1, 1)
    assert numbers([True, False], [True, True], dtype=bool, datatype="BOOL") == Difference("A", 2, 1, 1)


def test_what_cannot_be_compared_is_a_problem():
    a, b = tensor("A", np.zeros(2, np.float32)), tensor("A", np.zeros(3, np.float32))
    c = tensor("A", np.zeros(2, np.int32), "INT32")
    assert differences([a], [b], NONE) == [Difference("A", problem="shape [2] became [3]")]
    assert differences([a], [c], NONE) == [Difference("A", problem="type FP32 became INT32")]
    assert differences([a], [], NONE) == [Difference("A", problem="the shadow has no such output")]
    assert differences([], [a], NONE) == [Difference("A", problem="the primary has no such output")]


def test_empty_outputs_are_equal():
    assert numbers([], []) == Difference("A")
