import numpy as np

from burnish.serve.scheduling.nobody import nobody
from tests.serve.scheduling.fakes import make_job, tensor


def test_it_has_inputs_of_the_same_types_and_shapes_without_values_and_answers_no_one():
    like, answers = make_job("a", inputs={"N": tensor("N", np.ones((1, 3), np.int8), "INT8")})
    made = nobody(like)
    assert (made.request.inputs["N"].data.tolist(), made.rows, made.request.id) == ([[0, 0, 0]], 1, "")
    made.answer([])
    assert answers == []


def test_it_may_have_other_rows():
    made = nobody(make_job(rows=2, shape=(4,))[0], 3)
    assert (made.request.inputs["IN"].shape, made.rows) == ((3, 4), 3)
