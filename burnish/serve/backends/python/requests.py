"""Requests: those that `execute` gets, and those that a model makes to call other models."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any, ClassVar

from burnish.serve.backends.python.calls import Answer, Calls, Hear
from burnish.serve.backends.python.values import InferenceResponse, Tensor, TritonError, TritonModelException
from burnish.serve.request import Tensor as Held

TRITONSERVER_RESPONSE_COMPLETE_FINAL = 1
TRITONSERVER_REQUEST_FLAG_SEQUENCE_START = 1
TRITONSERVER_REQUEST_FLAG_SEQUENCE_END = 2
TRITONSERVER_MEMORY_CPU, TRITONSERVER_MEMORY_CPU_PINNED, TRITONSERVER_MEMORY_GPU = 0, 1, 2


class PreferredMemory:
    """Where a caller would like to have outputs. They lie in host memory here, whatever it says."""

    def __init__(self, preferred_memory_type: int, preferred_device_id: int = 0) -> None:
        self.preferred_memory_type, self.preferred_device_id = preferred_memory_type, preferred_device_id


class InferenceRequest:
    """calls: how this process reaches other models; the process sets it."""

    calls: ClassVar[Calls | None] = None

    def __init__(
        self,
        request_id: str = "",
        correlation_id: int | str = 0,
        inputs: Sequence[Tensor] = (),
        requested_output_names: Sequence[str] = (),
        model_name: str = "",
        model_version: int = -1,
        flags: int = 0,
        timeout: int = 0,
        preferred_memory: PreferredMemory | None = None,
        trace: object = None,
        parameters: dict[str, Any] | str | None = None,
    ) -> None:
        for tensor in inputs:
            if not isinstance(tensor, Tensor):
                raise TritonModelException("The inputs of an InferenceRequest must be Tensor objects.")
        given = json.loads(parameters) if isinstance(parameters, str) else dict(parameters or {})
        self._inputs = list(inputs)
        self._sender: Callable[[], ResponseSender] | None = None
        self._header: dict[str, Any] = {
            "model": str(model_name), "version": int(model_version), "id": str(request_id),
            "wanted": [str(name) for name in requested_output_names], "sequence": correlation_id, "flags": int(flags),
            "timeout": int(timeout), "priority": 0, "parameters": given,
        }  # fmt: skip

    @classmethod
    def of(cls, header: dict[str, Any], inputs: list[Held], sender: Callable[[], ResponseSender]) -> InferenceRequest:
        """Around a request that came from the server."""
        made = cls.__new__(cls)
        made._header, made._inputs, made._sender = header, [Tensor.of(held) for held in inputs], sender
        return made

    def inputs(self) -> list[Tensor]:
        return self._inputs

    def request_id(self) -> str:
        return str(self._header["id"])

    def correlation_id(self) -> int | str:
        found: int | str = self._header["sequence"]
        return found

    def flags(self) -> int:
        return int(self._header["flags"])

    def set_flags(self, flags: int) -> None:
        self._header["flags"] = int(flags)

    def timeout(self) -> int:
        return int(self._header["timeout"])

    def priority(self) -> int:
        return int(self._header["priority"])

    def model_name(self) -> str:
        return str(self._header["model"])

    def requested_output_names(self) -> set[str]:
        return set(self._header["wanted"])

    def parameters(self) -> str:
        return json.dumps(self._header["parameters"])

    def trace(self) -> None:
        """What a caller may hand on; there is nothing in it."""

    def is_cancelled(self) -> bool:
        return bool(self._header.get("is_cancelled", False))

    def get_response_sender(self) -> ResponseSender:
        if self._sender is None:
            raise TritonModelException("Only a request that the model got has a response sender.")
        return self._sender()

    # ---- calls of other models ----------------------------------------------------------------------------------

    def exec(self, decoupled: bool = False) -> InferenceResponse | Iterator[InferenceResponse]:
        """Ask the model and wait. What goes wrong is a response with an error.

        decoupled: the model may answer any number of times; the responses come as they arrive
        """
        answers: SimpleQueue[Answer] = SimpleQueue()
        self._ask(lambda *answer: answers.put(answer))
        if decoupled:
            return _each(answers)
        return self._only(list(_each(answers)))

    async def async_exec(self, decoupled: bool = False) -> InferenceResponse | Iterator[InferenceResponse]:
        """The same without holding the event loop, so that several calls may be under way."""
        if decoupled:
            return self.exec(True)
        loop, answers = asyncio.get_running_loop(), asyncio.Queue[Answer]()
        self._ask(lambda *answer: loop.call_soon_threadsafe(answers.put_nowait, answer))
        found, is_final = [], False
        while not is_final:
            response, is_final = await answers.get()
            found.append(response)
        return self._only(found)

    def _ask(self, hear: Hear) -> None:
        if self._sender is not None or not self._header["model"]:
            raise TritonModelException("Make an InferenceRequest with a model_name and inputs to call another model.")
        if self.calls is None:
            raise TritonModelException("Other models can be called only where a server runs this one.")
        self.calls.start(self._header, [t.held for t in self._inputs], hear)

    def _only(self, found: list[InferenceResponse]) -> InferenceResponse:
        if len(found) == 1:
            return found[0]
        name = self.model_name()
        return InferenceResponse(
            error=TritonError(
                f"Model {name} - Error when running inference: Model {name} is using the decoupled. The current BLS "
                "request call doesn't support models using the decoupled transaction policy. Please use "
                "'decoupled=True' argument to the 'exec' or 'async_exec' calls for decoupled models.'"
            )
        )


def _each(answers: SimpleQueue[Answer]) -> Iterator[InferenceResponse]:
    is_final = False
    while not is_final:
        response, is_final = answers.get()
        yield response


class ResponseSender:
    """Sends the responses of one request, from any thread."""

    def __init__(self, send: Callable[[InferenceResponse | None, bool], None], header: dict[str, Any]) -> None:
        self._send, self._header, self._is_over = send, header, False

    def send(self, response: InferenceResponse | None = None, flags: int = 0) -> None:
        if self._is_over:
            raise TritonModelException("Unable to send response. Response sender has been closed.")
        is_final = bool(flags & TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        if response is None and not is_final:
            raise TritonModelException("Inference Response object must be provided when the response flags is 0.")
        self._is_over = is_final
        self._send(response, is_final)

    def is_cancelled(self) -> bool:
        return bool(self._header.get("is_cancelled", False))
