"""One instance of a Python model: batches to its process, responses back, a new process after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from burnish.serve.backends.python import frames
from burnish.serve.backends.python.answer_calls import AnswerCalls, Submit
from burnish.serve.backends.python.connection import Connection
from burnish.serve.config.show import config_json
from burnish.serve.job import Job, now_ns
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.request import Tensor
from burnish.serve.status import Code, ServeError

log = logging.getLogger("burnish.serve.python")
SLOWEST_RESTART_S = 60.0


class PythonInstance:
    """`restart` gives a process in which the model's file is imported; waits grow while the model keeps crashing.
    `submit` takes the model's calls of other models."""

    has_worker = False  # it runs in its own process: an answer that takes long must not hold what other models need

    def __init__(
        self,
        name: str,
        config: pb.ModelConfig,
        number: int,
        folder: Path,
        restart: Callable[[str], Awaitable[Connection]],
        loop: asyncio.AbstractEventLoop,
        submit: Submit | None = None,
    ) -> None:
        self.name = name
        self._calls = AnswerCalls(submit)
        self._config, self._number, self._folder, self._restart, self._loop = config, number, folder, restart, loop
        self._is_decoupled = bool(config.model_transaction_policy.decoupled)
        self._outputs = [o.name for o in config.output]
        self._connection: Connection | None = None
        self._jobs: dict[int, Job] = {}
        self._next = 0
        self._done: Callable[[], None] | None = None
        self._crashes = 0
        self._reviving: asyncio.Task[None] | None = None
        self._is_closed = asyncio.Event()

    async def start(self, connection: Connection) -> None:
        """Initialize the model in a process, which ends if that fails. ServeError with the model's words."""
        args = {
            "model_config": json.dumps(config_json(self._config)),
            "model_instance_kind": "CPU",
            "model_instance_name": self.name,
            "model_instance_device_id": "0",
            "model_repository": str(self._folder),
            "model_version": str(self._number),
            "model_name": str(self._config.name),
        }
        connection.hear = lambda header, data: self._hear(connection, header, data)
        try:
            await connection.ask({"kind": "initialize", "args": args, "is_decoupled": self._is_decoupled})
            if connection.is_lost:  # it ended right after its answer, when nobody was told yet
                raise self._unhealthy()
        except BaseException:
            await connection.close()
            raise
        connection.lost = self._lost
        self._connection = connection

    def own_bytes(self) -> int:
        """Memory that its process shares with no other; 0 where the system does not tell."""
        if self._connection is None:
            return 0
        try:
            lines = Path(f"/proc/{self._connection.process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        except OSError:
            return 0
        return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))

    def run(self, jobs: Sequence[Job], done: Callable[[], None]) -> None:
        self._done = done
        requests, tensors = [], []
        ready = now_ns()
        for job in jobs:
            self._next += 1
            self._jobs[self._next] = job
            inputs = list(job.request.inputs.values())
            tensors += inputs
            requests.append(self._described(self._next, job, inputs))
            job.inputs_ready_ns = ready
        try:
            if self._connection is None:
                raise ServeError(Code.UNAVAILABLE, f"the process of '{self.name}' crashed and is being started again")
            self._connection.send({"kind": "execute", "requests": requests}, tensors)
        except ServeError as error:
            for request in requests:
                self._jobs.pop(request["number"]).fail(error)
            self._over()

    def cancel(self, job: Job) -> None:
        """Tell the model that nobody waits for a request any more."""
        for number, held in self._jobs.items():
            if held is job and self._connection is not None and not self._connection.is_lost:
                self._connection.send({"kind": "cancel", "number": number})

    async def close(self) -> None:
        self._is_closed.set()
        if self._reviving is not None:
            await self._reviving
        if self._connection is not None:
            await self._connection.close()

    def _described(self, number: int, job: Job, inputs: list[Tensor]) -> dict[str, Any]:
        request, sequence = job.request, job.request.sequence
        job.on_cancel = self.cancel
        return {
            "number": number,
            "id": request.id,
            "model": job.model,
            "sequence": sequence.id if sequence is not None else 0,
            "flags": (sequence.is_start + 2 * sequence.is_end) if sequence is not None else 0,
            "rows": job.rows,
            "timeout": request.timeout_us,
            "priority": request.priority,
            "wanted": list(request.wanted) or self._outputs,
            "parameters": request.parameters,
            "inputs": frames.describe(inputs),
        }

    def _hear(self, connection: Connection, header: dict[str, Any], data: memoryview) -> None:
        if header["kind"] == "answer":
            self._answer(header, data)
            return
        if header["kind"] == "call":
            self._calls(connection, header, data)
            return
        assert header["kind"] == "executed"
        if header["error"]:
            error = ServeError(Code[header.get("code", "INTERNAL")], header["error"])
            for number in header["numbers"]:
                job = self._jobs.pop(number, None)
                if job is not None:
                    job.outputs_ready_ns = now_ns()
                    job.fail(error)
        self._crashes = 0
        self._over()

    def _answer(self, header: dict[str, Any], data: memoryview) -> None:
        number, is_final = header["number"], header["final"]
        job = self._jobs.pop(number, None) if is_final else self._jobs.get(number)
        if job is None:
            return
        job.outputs_ready_ns = now_ns()
        if "error" in header:
            code, message = header["error"]
            job.fail(ServeError(Code[code], message), is_final, failure=None)  # the model's own answer
        elif "outputs" in header:
            outputs, _ = frames.take(header["outputs"], data, 0)
            declared = [t for t in outputs if t.name in self._outputs]  # others are dropped, as Triton drops them
            job.answer(declared, header["parameters"], is_final)
        else:
            job.end()

    def _over(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done()

    def _lost(self) -> None:
        """The process is gone: fail what it had, and start another one, later each time."""
        self._connection = None
        self._calls.cancel_all()
        jobs, self._jobs = self._jobs, {}
        for job in jobs.values():
            job.fail(self._unhealthy())
        if not self._is_closed.is_set():
            self._reviving = self._loop.create_task(self._revive())
        self._over()

    def _unhealthy(self) -> ServeError:
        return ServeError(Code.INTERNAL, f"Stub process '{self.name}' is not healthy.")

    async def _revive(self) -> None:
        """To its end even while the instance closes, so that no process is left behind."""
        while self._connection is None:
            wait = min(2.0**self._crashes - 1.0, SLOWEST_RESTART_S)
            self._crashes += 1
            log.error("the process of '%s' ended; another one starts in %g s", self.name, wait)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_closed.wait(), wait)
            if self._is_closed.is_set():
                return
            try:
                await self.start(await self._restart(self.name))
            except (ServeError, OSError) as error:  # also a machine that has no process to give just now
                log.error("'%s' could not be started again: %s", self.name, error)
