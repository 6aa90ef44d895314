"""The process's end of its model's calls of other models: each goes to the server, and its answers come back."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

from burnish.serve.backends.python import frames
from burnish.serve.backends.python.values import InferenceResponse, Tensor, TritonError, TritonModelException
from burnish.serve.request import Tensor as Held

Answer = tuple[InferenceResponse, bool]
Hear = Callable[[InferenceResponse, bool], Any]
Send = Callable[[dict[str, Any], Sequence[Held]], None]


class Calls:
    """May be used from any thread. `hear` of a call gets each response, and whether it is the last, on the thread that
    reads what the server sends."""

    def __init__(self, send: Send) -> None:
        self._send, self._lock = send, threading.Lock()
        self._open: dict[int, Hear] = {}
        self._next, self._is_lost = 0, False

    def start(self, header: dict[str, Any], inputs: Sequence[Held], hear: Hear) -> None:
        with self._lock:
            if self._is_lost:
                raise TritonModelException("The server is gone.")
            self._next += 1
            number = self._next
            self._open[number] = hear
        try:
            self._send({**header, "kind": "call", "number": number, "inputs": frames.describe(inputs)}, inputs)
        except BaseException:
            self._open.pop(number, None)
            raise

    def heard(self, header: dict[str, Any], data: memoryview) -> None:
        """A message of the server: one answer."""
        number, is_final = header["number"], header["final"]
        hear = self._open.pop(number, None) if is_final else self._open.get(number)
        if hear is None:
            return
        response = InferenceResponse()  # a final mark alone is a response without outputs, as in Triton
        if "error" in header:
            response = InferenceResponse(error=TritonError(header["error"]))
        elif "outputs" in header:
            outputs, _ = frames.take(header["outputs"], data, 0)
            response = InferenceResponse([Tensor.of(t) for t in outputs], parameters=header["parameters"])
        with contextlib.suppress(RuntimeError):  # the event loop that waited for it has ended
            hear(response, is_final)

    def lost(self) -> None:
        """The server is gone: nobody waits in vain."""
        with self._lock:
            self._is_lost = True
        while self._open:
            _, hear = self._open.popitem()
            with contextlib.suppress(RuntimeError):
                hear(InferenceResponse(error=TritonError("The server is gone.")), True)
