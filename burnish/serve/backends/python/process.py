"""The model's process: `python -m burnish.serve.backends.python.process FD` answers messages on a socket.

Messages from the server: start, complete, initialize, execute, cancel, finalize, called (another model answers). To the
server: done (of all but execute, cancel and called), answer (one response), executed (the batch is over), call (of
another model), log.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import socket
import sys
import threading
from collections.abc import Sequence
from typing import Any

import orjson

from burnish.serve.backends.python import frames, interface
from burnish.serve.backends.python.calls import Calls
from burnish.serve.backends.python.errors import told
from burnish.serve.backends.python.model_config import ModelConfig
from burnish.serve.request import Tensor
from burnish.serve.status import Code


class Process:
    """One model, one instance."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket, self._lock = connection, threading.Lock()
        self._model: Any = None
        self._class: Any = None
        self._instance = ""
        self._is_decoupled = False
        self._calls = Calls(self._send)
        self._runner: asyncio.Runner | None = None  # of a model whose execute is a coroutine
        self._open: dict[int, dict[str, Any]] = {}  # headers of requests without a final answer, by number

    def serve(self) -> None:
        """Until the server closes the socket, which also ends a process whose server was killed."""
        reader = frames.Reader()
        work: list[frames.Message] = []
        ready = threading.Condition()
        ended = False

        def read() -> None:
            nonlocal ended
            while count := self._receive(reader.space()):
                for header, tensors in reader.took(count):
                    if header["kind"] == "cancel":
                        if header["number"] in self._open:
                            self._open[header["number"]]["is_cancelled"] = True
                        continue
                    if header["kind"] == "called":
                        self._calls.heard(header, tensors)
                        continue
                    with ready:
                        work.append((header, tensors))
                        ready.notify()
            self._calls.lost()
            with ready:
                ended = True
                ready.notify()

        threading.Thread(target=read, daemon=True).start()
        while True:
            with ready:
                while not work and not ended:
                    ready.wait()
                if not work:
                    break
                header, tensors = work.pop(0)
            getattr(self, "_" + header["kind"])(header, tensors)
        if self._runner is not None:
            self._runner.close()

    # ---- what the server asks -----------------------------------------------------------------------------------

    def _start(self, header: dict[str, Any], _: memoryview) -> None:
        """Import the model's file."""
        folder, version, file = header["folder"], header["version"], header["file"]
        sys.path[:0] = [folder, f"{folder}/{version}"]
        sys.modules["triton_python_backend_utils"] = interface
        interface._model_dir = f"{folder}/{version}"
        interface.Logger.write = staticmethod(self._log)
        interface.InferenceRequest.calls = self._calls

        def load() -> dict[str, Any]:
            name = f"{version}.{file.removesuffix('.py')}"
            module = importlib.import_module(name)
            if not hasattr(module, "TritonPythonModel"):
                raise AttributeError(f"module '{name}' has no attribute 'TritonPythonModel'")
            self._class = module.TritonPythonModel
            return {"completes": hasattr(self._class, "auto_complete_config")}

        self._answer_call(load)

    def _complete(self, header: dict[str, Any], _: memoryview) -> None:
        def complete() -> dict[str, Any]:
            config = self._class.auto_complete_config(ModelConfig(header["config"]))
            if config is None:
                raise ValueError("auto_complete_config function must return a ModelConfig object, not None")
            return {"config": config.as_dict()}

        self._answer_call(complete)

    def _initialize(self, header: dict[str, Any], _: memoryview) -> None:
        self._instance = header["args"]["model_instance_name"]
        self._is_decoupled = header["is_decoupled"]

        def initialize() -> dict[str, Any]:
            self._model = self._class()
            if hasattr(self._model, "initialize"):
                self._model.initialize(header["args"])
            if not hasattr(self._model, "execute"):
                raise AttributeError(f"Python model file of '{self._instance}' must implement 'execute'")
            return {}

        self._answer_call(initialize)

    def _finalize(self, _: dict[str, Any], __: memoryview) -> None:
        def finalize() -> dict[str, Any]:
            if hasattr(self._model, "finalize"):
                self._model.finalize()
            return {}

        self._answer_call(finalize)

    def _execute(self, header: dict[str, Any], data: memoryview) -> None:
        requests, numbers, place = [], [], 0
        for described in header["requests"]:
            inputs, place = frames.take(described["inputs"], data, place)
            numbers.append(described["number"])
            self._open[described["number"]] = described
            requests.append(self._request(described, inputs))
        fault = self._run(requests, numbers)
        if fault:
            fault = f"Failed to process the request(s) for model '{self._instance}', message: {fault}"
        for number in [] if self._is_decoupled and not fault else numbers:
            self._open.pop(number, None)
        self._send({"kind": "executed", "numbers": numbers, "error": fault})

    def _run(self, requests: list[interface.InferenceRequest], numbers: list[int]) -> str:
        """Run the model and send what it returns; what was wrong with it, or nothing."""
        try:
            responses = self._model.execute(requests)
            if inspect.iscoroutine(responses):
                self._runner = self._runner or asyncio.Runner()
                responses = self._runner.run(responses)
            if self._is_decoupled:
                if responses is not None:
                    return (
                        f"Python model '{self._instance}' is using the decoupled mode and the execute function must "
                        "return None."
                    )
                return ""
            if not isinstance(responses, list | tuple):
                return f"Expected a list in the execute return, found type '{type(responses).__name__}'."
            if len(responses) != len(requests):
                return (
                    "Number of InferenceResponse objects do not match the number of InferenceRequest objects. "
                    f"InferenceRequest(s) size is:{len(requests)}, and InferenceResponse(s) size is:{len(responses)}\n"
                )
            for response in responses:
                if not isinstance(response, interface.InferenceResponse):
                    return (
                        "Expected an 'InferenceResponse' object in the execute function return list, found type "
                        f"'{type(response).__name__}'."
                    )
            for number, response in zip(numbers, responses):
                self._send_response(number, response, True)
            return ""
        except Exception as error:
            return told(error)

    # ---- answers ------------------------------------------------------------------------------------------------

    def _request(self, header: dict[str, Any], inputs: list[Tensor]) -> interface.InferenceRequest:
        def sender() -> interface.ResponseSender:
            def send(response: interface.InferenceResponse | None, is_final: bool) -> None:
                if is_final:
                    self._open.pop(header["number"], None)
                self._send_response(header["number"], response, is_final)

            return interface.ResponseSender(send, header)

        return interface.InferenceRequest.of(header, inputs, sender)

    def _send_response(self, number: int, response: interface.InferenceResponse | None, is_final: bool) -> None:
        header: dict[str, Any] = {"kind": "answer", "number": number, "final": is_final}
        tensors: list[Tensor] = []
        error = response.error() if response is not None else None
        if error is not None:
            code = error.code() if isinstance(error.code(), Code) else Code.INTERNAL
            header["error"] = [code.name, error.message()]
        elif response is not None:
            tensors = [t.held for t in response.output_tensors()]
            header["outputs"] = frames.describe(tensors)
            header["parameters"] = orjson.loads(response.parameters())
        self._send(header, tensors)

    def _answer_call(self, call: Any) -> None:
        try:
            self._send({"kind": "done", "error": "", **call()})
        except BaseException as error:
            self._send({"kind": "done", "error": told(error)})

    def _log(self, level: str, message: str) -> None:
        self._send({"kind": "log", "level": level, "message": message})

    def _send(self, header: dict[str, Any], tensors: Sequence[Tensor] = ()) -> None:
        pieces = frames.pack(header, tensors)
        with self._lock:
            for piece in pieces:
                self._socket.sendall(piece)

    def _receive(self, space: memoryview) -> int:
        try:
            return self._socket.recv_into(space)
        except OSError:
            return 0


def main() -> None:
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        Process(connection).serve()


if __name__ == "__main__":
    main()
