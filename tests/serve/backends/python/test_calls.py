"""Calls of other models, from the process that makes them; the test is the server."""

import numpy as np
import pytest

from burnish.serve.backends.python import frames
from burnish.serve.backends.python.calls import Calls
from burnish.serve.backends.python.values import TritonModelException
from burnish.serve.request import Tensor

X = Tensor("X", "INT32", np.array([3], np.int32))
HEADER = {"model": "m", "version": -1}


def arrived(header, tensors=()):
    """As `heard` gets it."""
    reader = frames.Reader()
    raw = b"".join(frames.pack(header, tensors))
    reader.space()[: len(raw)] = raw
    ((found, data),) = reader.took(len(raw))
    return found, data


def test_answers_go_to_the_call_that_they_are_of():
    sent, heard = [], []
    calls = Calls(lambda header, tensors: sent.append((header, tensors)))
    for name in "ab":
        calls.start(HEADER, [X], lambda response, final, name=name: heard.append((name, response, final)))
    assert [(h["kind"], h["number"], h["inputs"], t) for h, t in sent] == [
        ("call", n, [["X", "INT32", [1], 4]], [X]) for n in (1, 2)
    ]
    outputs = {"outputs": frames.describe([X]), "parameters": {"p": 1}}
    calls.heard(*arrived({"kind": "called", "number": 2, "final": False, **outputs}, [X]))
    calls.heard(*arrived({"kind": "called", "number": 1, "final": True, "error": "no"}))
    calls.heard(*arrived({"kind": "called", "number": 2, "final": True}))
    calls.heard(*arrived({"kind": "called", "number": 2, "final": True}))  # nobody waits for it
    assert [(name, final) for name, _, final in heard] == [("b", False), ("a", True), ("b", True)]
    first, failed, last = (response for _, response, _ in heard)
    assert (first.output_tensors()[0].as_numpy().tolist(), first.parameters()) == ([3], '{"p": 1}')
    assert (failed.error().message(), last.output_tensors()) == ("no", [])


def test_nobody_waits_for_a_server_that_is_gone():
    heard = []
    calls = Calls(lambda header, tensors: None)
    calls.start(HEADER, [], lambda response, final: heard.append((response.error().message(), final)))
    calls.lost()
    assert heard == [("The server is gone.", True)]
    with pytest.raises(TritonModelException, match="gone"):
        calls.start(HEADER, [], heard.append)


def test_a_call_that_cannot_be_sent_is_forgotten():
    def send(header, tensors):
        raise TypeError("no JSON")

    calls = Calls(send)
    with pytest.raises(TypeError):
        calls.start(HEADER, [], lambda response, final: None)
    assert calls._open == {}
