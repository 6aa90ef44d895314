"""The model's end, spoken to over a socket as the server does."""

import socket
import threading

import numpy as np

from burnish.serve.backends.python.frames import Reader, describe, pack, take
from burnish.serve.backends.python.process import Process
from burnish.serve.request import Tensor


class Model:
    def execute(self, requests):
        import burnish.serve.backends.python.interface as pb

        self.cancelled = requests[0].is_cancelled()
        return [pb.InferenceResponse([pb.Tensor("Y", r.inputs()[0].as_numpy() + 1)]) for r in requests]

    def finalize(self):
        raise ValueError("at the end")


def talk(*messages, count):
    """What the process sends, up to so many messages."""
    ours, theirs = socket.socketpair()
    process = Process(theirs)
    process._model, process._instance = Model(), "m_0"
    thread = threading.Thread(target=process.serve)
    thread.start()
    reader, found = Reader(), []
    for header, tensors in messages:
        ours.sendall(b"".join(pack(header, tensors)))
    while len(found) < count:
        found += reader.took(ours.recv_into(reader.space()))
    ours.shutdown(socket.SHUT_WR)
    thread.join()
    ours.close()
    theirs.close()
    return found


def request(number, tensor):
    return {
        "number": number, "id": "", "model": "m", "sequence": 0, "flags": 0, "timeout": 0, "priority": 0,
        "wanted": ["Y"], "parameters": {}, "inputs": describe([tensor]),
    }  # fmt: skip


def test_a_batch_is_answered_request_by_request_and_then_over():
    tensors = [Tensor("X", "INT32", np.array([n], np.int32)) for n in (4, 7)]
    header = {"kind": "execute", "requests": [request(n, t) for n, t in enumerate(tensors)]}
    first, second, over = talk((header, tensors), count=3)
    for (answer, data), want in ((first, 5), (second, 8)):
        assert take(answer["outputs"], data, 0)[0][0].data.tolist() == [want]
        assert answer["final"]
    assert over[0] == {"kind": "executed", "numbers": [0, 1], "error": ""}


def test_what_a_model_raises_is_told():
    ((answer, _),) = talk(({"kind": "finalize"}, ()), count=1)
    assert answer["error"].startswith("ValueError: at the end")
