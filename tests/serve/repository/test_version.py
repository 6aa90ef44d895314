import asyncio

import numpy as np
import pytest

from burnish.serve.config.parse_text import parse_text
from burnish.serve.observe.statistics import ModelStatistics
from burnish.serve.repository.version import ModelVersion, Scheduled
from burnish.serve.request import Request, Tensor
from burnish.serve.status import Code, ServeError

CONFIG = """name: "m" max_batch_size: 4 model_transaction_policy { decoupled: true }
input { name: "X" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] } }
output { name: "Y" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] } label_filename: "names.txt" }"""


class Doubles:
    """A scheduler that answers at once, with the shape that the model sees; or refuses."""

    pending, refuses, is_closed = 0, False, False

    def submit(self, job):
        if self.refuses:
            raise ServeError(Code.UNAVAILABLE, "full")
        self.held = job

    def answer(self):
        self.held.answer([Tensor("Y", "FP32", self.held.request.inputs["X"].data * 2)])

    def close(self):
        self.is_closed = True


def made():
    scheduler = Doubles()
    return ModelVersion(
        3, parse_text(CONFIG), None, Scheduled(scheduler), ModelStatistics(), {"Y": ["a", "b"]}
    ), scheduler


def request(rows):
    return Request("m", {"X": Tensor("X", "FP32", np.ones((rows, 1), np.float32))})


def test_clients_see_outputs_in_the_shape_of_the_configuration():
    async def go():
        version, scheduler = made()
        answers = []
        job = version.submit(request(2), answers.append)
        assert job.request.inputs["X"].shape == (2,)
        assert version.in_flight == 1
        scheduler.answer()
        assert answers[0].outputs[0].shape == (2, 1)
        assert version.in_flight == 0

    asyncio.run(go())


def test_a_request_that_is_refused_is_not_under_way():
    async def go():
        version, scheduler = made()
        scheduler.refuses = True
        with pytest.raises(ServeError, match="full"):
            version.submit(request(1), None)
        with pytest.raises(ServeError, match="batch-size must be <= 4"):
            version.check(request(5))
        assert version.in_flight == 0

    asyncio.run(go())


def test_a_version_is_closed_once_its_requests_are_answered():
    async def go():
        version, scheduler = made()
        version.submit(request(1), lambda answer: None)
        closing = asyncio.create_task(version.close())
        await asyncio.sleep(0.01)
        assert not scheduler.is_closed
        scheduler.answer()
        await closing
        assert scheduler.is_closed

    asyncio.run(go())


def test_it_tells_what_its_configuration_says():
    async def go():
        version, _ = made()
        assert (version.is_decoupled, version.max_batch_size, version.memory_bytes) == (True, 4, 0)
        assert version.metadata([3])["versions"] == ["3"]
        assert version.config_json()["max_batch_size"] == 4
        assert (version.labels("Y"), version.labels("X")) == (["a", "b"], None)

    asyncio.run(go())
