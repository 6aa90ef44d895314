import numpy as np

from burnish.serve.job import Job
from burnish.serve.request import Request, Tensor
from burnish.serve.status import invalid


def job(**fields):
    answers = []
    return Job(Request("m", {}, **fields), "m", 3, 1, answers.append), answers


def tensors(*names):
    return [Tensor(name, "FP32", np.zeros(1, np.float32)) for name in names]


def test_only_outputs_that_are_wanted_are_sent():
    made, answers = job(id="a", wanted=("y",))
    made.answer(tensors("x", "y"))
    assert [t.name for t in answers[0].outputs] == ["y"]
    assert (answers[0].model, answers[0].version, answers[0].id, answers[0].is_final) == ("m", 3, "a", True)


def test_what_comes_after_the_last_answer_is_dropped_and_its_end_is_told_once():
    made, answers = job()
    ends = []
    made.on_end.append(ends.append)
    made.answer(tensors("x"), is_final=False)
    made.fail(invalid("no"))
    made.answer(tensors("x"))
    assert [a.is_final for a in answers] == [False, True]
    assert ends == [made]
    assert made.ended_ns >= made.arrived_ns


def test_a_cancelled_job_tells_the_queue_that_holds_it_once():
    made, _ = job()
    told = []
    made.on_cancel = told.append
    made.cancel()
    made.cancel()
    assert told == [made]
    assert made.is_cancelled


def test_a_job_that_is_over_cannot_be_cancelled():
    made, _ = job()
    made.end()
    made.cancel()
    assert not made.is_cancelled
