"""The process of a plan, spoken to over a socket as the server does."""

import socket
import threading

import numpy as np

from burnish.errors import UserError
from burnish.serve.backends.plan_process import PlanProcess
from burnish.serve.backends.python.frames import Reader, describe, pack, take
from burnish.serve.request import Tensor


def talk(context, header, tensors, count):
    """What the process sends, up to so many messages."""
    ours, theirs = socket.socketpair()
    process = PlanProcess(theirs)
    process._context = context
    thread = threading.Thread(target=process.serve)
    thread.start()
    ours.sendall(b"".join(pack(header, tensors)))
    reader, found = Reader(), []
    while len(found) < count:
        found += reader.took(ours.recv_into(reader.space()))
    ours.shutdown(socket.SHUT_WR)
    thread.join()
    ours.close()
    theirs.close()
    return found


def batch(*rows):
    tensors = [Tensor("x", "INT32", np.full((n, 1), n, np.int32)) for n in rows]
    requests = [{"number": n, "rows": n, "inputs": describe([t])} for n, t in zip(rows, tensors)]
    return {"kind": "execute", "requests": requests}, tensors


def test_a_batch_runs_as_one_and_each_request_is_answered():
    first, second, over = talk(lambda given: {"y": given["x"] + 1}, *batch(1, 2), 3)
    for (answer, data), want in ((first, [[2]]), (second, [[3], [3]])):
        assert take(answer["outputs"], data, 0)[0][0].data.tolist() == want
    assert over[0] == {"kind": "executed", "numbers": [1, 2], "error": ""}


def test_an_error_is_told_once_for_all_requests_with_its_code():
    def context(given):
        raise UserError("E502", "too large")

    ((over, _),) = talk(context, *batch(1, 2), 1)
    assert (over["kind"], over["numbers"], over["code"]) == ("executed", [1, 2], "INVALID_ARG")
    assert "too large" in over["error"]


def test_a_plan_that_cannot_be_loaded_is_told(tmp_path):
    start = {"kind": "start", "file": str(tmp_path / "no.plan"), "threads": None, "device": None, "trusted_key": None}
    ((answer, _),) = talk(None, start, (), 1)
    assert answer["error"].startswith("FileNotFoundError")
