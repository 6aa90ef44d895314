"""The server's end of a Python model's calls of other models: each becomes a request like any client's.

Refusals have Triton's words, and every error has the code INTERNAL, as it has there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Protocol

from burnish.serve.backends.python import frames
from burnish.serve.job import Job, Reply
from burnish.serve.request import Request, Response, Sequence, Tensor
from burnish.serve.status import Code, ServeError

Submit = Callable[[Request, Reply], Job]


class Caller(Protocol):
    """The connection to the process that called."""

    def send(self, header: dict[str, Any], tensors: list[Tensor]) -> None: ...


class AnswerCalls:
    """submit: takes a request, or raises ServeError; None where there are no other models."""

    def __init__(self, submit: Submit | None) -> None:
        self._submit = submit
        self._open: dict[int, Job] = {}

    def __call__(self, caller: Caller, header: dict[str, Any], data: memoryview) -> None:
        number = header["number"]

        def reply(response: Response) -> None:
            if response.is_final:
                self._open.pop(number, None)
            _send(caller, number, response)

        try:
            if self._submit is None:
                raise ServeError(Code.UNAVAILABLE, "there are no other models here")
            job = self._submit(_request(header, data), reply)
        except ServeError as error:
            name, told = header["model"], error.message
            if error.code is Code.NOT_FOUND:
                told = f"Failed for execute the inference request. Model '{name}' is not ready."
            told = f"Model {name} - Error when running inference: {told}"
            _send(caller, number, Response(name, header["version"], error=ServeError(error.code, told)))
        else:
            if not job.is_over:
                self._open[number] = job

    def cancel_all(self) -> None:
        """The process that called is gone."""
        for job in list(self._open.values()):
            job.cancel()
        self._open.clear()


def _request(header: dict[str, Any], data: memoryview) -> Request:
    inputs, _ = frames.take(header["inputs"], data, 0)
    id, flags = header["sequence"], header["flags"]
    return Request(
        header["model"],
        {t.name: t for t in inputs},
        header["version"],
        header["id"],
        tuple(header["wanted"]),
        header["parameters"],
        header["priority"],
        header["timeout"],
        Sequence(id, bool(flags & 1), bool(flags & 2)) if id or flags else None,
    )


def _send(caller: Caller, number: int, response: Response) -> None:
    header: dict[str, Any] = {"kind": "called", "number": number, "final": response.is_final}
    outputs = response.outputs or []
    if response.error is not None:
        header["error"] = response.error.message
    elif response.outputs is not None:
        header |= {"outputs": frames.describe(outputs), "parameters": response.parameters}
    with contextlib.suppress(ServeError):  # the process is gone
        caller.send(header, outputs)
