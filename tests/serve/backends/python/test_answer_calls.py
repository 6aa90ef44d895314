"""Calls of other models, as the server answers them; the test is both the process and the other model."""

import numpy as np
import pytest

from burnish.serve.backends.python.answer_calls import AnswerCalls
from burnish.serve.backends.python.frames import describe, pack
from burnish.serve.job import Job
from burnish.serve.request import Sequence, Tensor
from burnish.serve.status import Code, ServeError

X = Tensor("X", "INT32", np.array([3], np.int32))


class Caller:
    def __init__(self, is_gone=False):
        self.sent, self.is_gone = [], is_gone

    def send(self, header, tensors):
        if self.is_gone:
            raise ServeError(Code.INTERNAL, "gone")
        self.sent.append((header, tensors))


class Other:
    """Keeps the jobs that it is given."""

    def __init__(self, error=None):
        self.jobs, self.error = [], error

    def __call__(self, request, reply):
        if self.error is not None:
            raise self.error
        self.jobs.append(Job(request, request.model, 1, 1, reply))
        return self.jobs[-1]


def call(number=1, **fields):
    header = {
        "kind": "call", "number": number, "model": "other", "version": -1, "id": "q", "wanted": ["Y"], "sequence": 7,
        "flags": 3, "timeout": 5, "priority": 2, "parameters": {"p": 1}, "inputs": describe([X]), **fields,
    }  # fmt: skip
    _, raw = pack(header, [X])
    return header, memoryview(raw)


def test_a_call_is_a_request_like_a_clients_and_its_answers_go_back():
    other, caller = Other(), Caller()
    AnswerCalls(other)(caller, *call())
    (job,) = other.jobs
    request = job.request
    assert (request.model, request.version, request.id, request.wanted) == ("other", -1, "q", ("Y",))
    assert (request.sequence, request.timeout_us, request.priority) == (Sequence(7, True, True), 5, 2)
    assert (request.parameters, request.inputs["X"].data.tolist()) == ({"p": 1}, [3])
    y = Tensor("Y", "INT32", np.array([4], np.int32))
    job.answer([y], {"q": 2}, is_final=False)
    job.end()
    assert caller.sent == [
        ({"kind": "called", "number": 1, "final": False, "outputs": describe([y]), "parameters": {"q": 2}}, [y]),
        ({"kind": "called", "number": 1, "final": True}, []),
    ]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            ServeError(Code.NOT_FOUND, "unknown"),
            "Failed for execute the inference request. Model 'other' is not ready.",
        ),
        (ServeError(Code.INVALID_ARG, "[request id: q] no such input"), "[request id: q] no such input"),
        (None, "there are no other models here"),
    ],
)
def test_what_is_refused_is_told_in_tritons_words(error, told):
    caller = Caller()
    AnswerCalls(Other(error) if error else None)(caller, *call())
    (header, tensors) = caller.sent[0]
    assert header["error"] == f"Model other - Error when running inference: {told}"
    assert (header["final"], tensors) == (True, [])


def test_calls_of_a_process_that_is_gone_are_cancelled():
    other, caller = Other(), Caller()
    calls = AnswerCalls(other)
    calls(caller, *call(1))
    calls(caller, *call(2))
    other.jobs[0].fail(ServeError(Code.INTERNAL, "no"))
    caller.is_gone = True
    calls.cancel_all()
    assert [job.is_cancelled for job in other.jobs] == [False, True]
    other.jobs[1].answer([X])  # nobody is there to hear it
