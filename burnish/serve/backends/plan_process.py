"""A plan in a process of its own: `python -m burnish.serve.backends.plan_process FD`.

It speaks as the process of a Python model does, so that the server's end is the same, and runs batches as the server
itself does.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

from burnish.plan.plan import surface
from burnish.serve.backends.plan_batch import compute, load_engine
from burnish.serve.backends.python import frames
from burnish.serve.backends.python.process import Process
from burnish.serve.status import ServeError


class PlanProcess(Process):
    """One context."""

    def _start(self, header: dict[str, Any], _: memoryview) -> None:
        """Load the plan, which must be the one that the server read."""

        def load() -> dict[str, Any]:
            self._engine = load_engine(
                Path(header["file"]), header["threads"], header["device"], header["trusted_key"], is_mapped=True
            )
            if surface(self._engine.manifest) != header["surface"]:
                raise ValueError("the plan was replaced by one with other tensors: load it anew")
            self._context = self._engine.create_context()
            return {}

        self._answer_call(load)

    def _initialize(self, header: dict[str, Any], _: memoryview) -> None:
        self._answer_call(dict)

    def _finalize(self, _: dict[str, Any], __: memoryview) -> None:
        self._answer_call(dict)

    def _execute(self, header: dict[str, Any], data: memoryview) -> None:
        requests, place = header["requests"], 0
        numbers, inputs = [r["number"] for r in requests], []
        for request in requests:
            found, place = frames.take(request["inputs"], data, place)
            inputs.append({t.name: t for t in found})
        try:
            answers, *_ = compute(self._context, inputs, [r["rows"] for r in requests])
        except ServeError as error:
            self._send({"kind": "executed", "numbers": numbers, "error": error.message, "code": error.code.name})
            return
        for number, outputs in zip(numbers, answers):
            described = {"outputs": frames.describe(outputs), "parameters": {}}
            self._send({"kind": "answer", "number": number, "final": True, **described}, outputs)
        self._send({"kind": "executed", "numbers": numbers, "error": ""})


def main() -> None:
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        PlanProcess(connection).serve()


if __name__ == "__main__":
    main()
