"""Requests that models get and make. Calls of other models are answered by the test."""

import asyncio
import threading

import numpy as np
import pytest

from burnish.serve.backends.python import interface as pb
from burnish.serve.request import Tensor as Held


def request(**fields):
    header = {
        "number": 1, "id": "q", "model": "m", "sequence": "abc", "flags": 3, "timeout": 5, "priority": 2,
        "wanted": ["Y"], "parameters": {"loud": True}, **fields,
    }  # fmt: skip
    inputs = [Held("X", "FP32", np.ones((2,), np.float32))]
    return pb.InferenceRequest.of(header, inputs, lambda: None)


def test_a_request_tells_what_the_client_sent():
    found = request()
    assert (found.request_id(), found.correlation_id(), found.flags(), found.timeout()) == ("q", "abc", 3, 5)
    assert (found.requested_output_names(), found.parameters(), found.priority()) == ({"Y"}, '{"loud": true}', 2)
    assert pb.get_input_tensor_by_name(found, "X").as_numpy().tolist() == [1, 1]
    assert pb.get_input_tensor_by_name(found, "Z") is None
    with pytest.raises(pb.TritonModelException, match="call another model"):
        found.exec()


def test_a_response_sender_ends_with_the_final_flag():
    sent = []
    sender = pb.ResponseSender(lambda response, final: sent.append((response, final)), {})
    with pytest.raises(pb.TritonModelException, match="must be provided"):
        sender.send()
    one = pb.InferenceResponse([pb.Tensor("Y", np.ones(1))])
    sender.send(one)
    sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
    assert sent == [(one, False), (None, True)]
    with pytest.raises(pb.TritonModelException, match="has been closed"):
        sender.send(one)


class Answering:
    """Answers each call, in a thread of its own, with these responses; the last is final."""

    def __init__(self, *responses):
        self.responses, self.asked = responses, []

    def start(self, header, inputs, hear):
        self.asked.append((header, inputs))

        def answer():
            for place, response in enumerate(self.responses, 1):
                hear(response, place == len(self.responses))

        threading.Thread(target=answer).start()


def call(monkeypatch, *responses):
    calls = Answering(*responses)
    monkeypatch.setattr(pb.InferenceRequest, "calls", calls)
    made = pb.InferenceRequest(
        model_name="other",
        requested_output_names=["Y"],
        inputs=[pb.Tensor("X", np.ones(2, np.float32))],
        request_id="q",
        correlation_id=7,
        flags=pb.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START,
        timeout=5,
        preferred_memory=pb.PreferredMemory(pb.TRITONSERVER_MEMORY_CPU, 0),
        parameters={"loud": True},
    )
    return made, calls


def response(value):
    return pb.InferenceResponse([pb.Tensor("Y", np.array([value]))])


def test_a_call_carries_all_that_the_model_says_and_gives_its_one_response(monkeypatch):
    one = response(1)
    made, calls = call(monkeypatch, one)
    assert made.exec() is one
    ((header, (tensor,)),) = calls.asked
    assert header == {
        "model": "other", "version": -1, "id": "q", "wanted": ["Y"], "sequence": 7, "flags": 1, "timeout": 5,
        "priority": 0, "parameters": {"loud": True},
    }  # fmt: skip
    assert (tensor.name, tensor.datatype, tensor.data.tolist()) == ("X", "FP32", [1, 1])


def test_calls_of_a_coroutine_are_under_way_together(monkeypatch):
    one = response(1)
    made, calls = call(monkeypatch, one)

    async def go():
        return await asyncio.gather(*(made.async_exec() for _ in range(3)))

    assert asyncio.run(go()) == [one, one, one]
    assert len(calls.asked) == 3


def test_a_decoupled_model_gives_its_responses_one_by_one(monkeypatch):
    responses = [response(1), response(2), pb.InferenceResponse()]
    made, _ = call(monkeypatch, *responses)
    assert list(made.exec(decoupled=True)) == responses

    async def go():
        return list(await made.async_exec(decoupled=True))

    assert asyncio.run(go()) == responses
    assert "Please use 'decoupled=True'" in made.exec().error().message()


def test_what_cannot_be_called_is_refused(monkeypatch):
    with pytest.raises(pb.TritonModelException, match="Tensor objects"):
        pb.InferenceRequest(model_name="m", inputs=[np.ones(1)])
    with pytest.raises(pb.TritonModelException, match="model_name"):
        pb.InferenceRequest().exec()
    with pytest.raises(pb.TritonModelException, match="only where a server runs"):
        pb.InferenceRequest(model_name="m").exec()
    with pytest.raises(pb.TritonModelException, match="response sender"):
        pb.InferenceRequest(model_name="m").get_response_sender()
