import numpy as np

from burnish.serve.core.under_way import UnderWay
from burnish.serve.job import Job
from burnish.serve.request import Request, Tensor
from burnish.serve.status import Code, ServeError


def job(*arrays):
    inputs = {str(n): Tensor(str(n), "BYTES" if a.dtype == object else "INT32", a) for n, a in enumerate(arrays)}
    return Job(Request("m", inputs), "m", 1, 1, lambda response: None)


def test_requests_and_the_bytes_of_their_inputs_count_until_they_are_answered():
    held = UnderWay(2, 100)
    first, second = job(np.zeros(5, np.int32), np.array([b"abc", "de"], object)), job(np.zeros(2, np.int32))
    held.enter(first)
    assert (held.requests, held.bytes, held.is_full) == (1, 25, False)
    held.enter(second)
    assert (held.requests, held.bytes, held.is_full) == (2, 33, True)
    first.fail(ServeError(Code.INTERNAL, "no"))
    assert (held.requests, held.bytes, held.is_full) == (1, 8, False)
    held.enter(large := job(np.zeros(100, np.int32)))
    assert held.is_full
    large.answer([])
    second.answer([])
    assert (held.requests, held.bytes) == (0, 0)


def test_too_many_bytes_are_full_too():
    held = UnderWay(10, 100)
    held.enter(job(np.zeros(100, np.int32)))
    assert held.is_full
