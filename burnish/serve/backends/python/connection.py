"""The server's end: start a model's process, ask it, and hear what it sends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from burnish.serve.backends.python import frames
from burnish.serve.request import Tensor
from burnish.serve.status import Code, ServeError

log = logging.getLogger("burnish.serve.python")
Hear = Callable[[dict[str, Any], memoryview], None]
_LEVELS = {"INFO": logging.INFO, "WARNING": logging.WARNING, "ERROR": logging.ERROR, "DEBUG": logging.DEBUG}


PYTHON = "burnish.serve.backends.python.process"
LONGEST_LINE = 8192  # of what a model prints; the rest of a longer one becomes the next


class Printed(asyncio.Protocol):
    """What a process writes to its standard output and error, a line each in the log."""

    def __init__(self, name: str) -> None:
        self._name, self._rest = name, b""

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._write(line)

    def connection_lost(self, error: Exception | None) -> None:
        self._write(self._rest)

    def _write(self, line: bytes) -> None:
        text = line.decode(errors="backslashreplace").rstrip()
        if text:
            log.info("%s: %s", self._name, text)


class Connection(asyncio.BufferedProtocol):
    """A running process. `hear` gets what is no answer to `ask`; `lost` is called when the process is gone."""

    def __init__(self, process: subprocess.Popen[bytes], name: str) -> None:
        self.process, self.name = process, name
        self.hear: Hear = lambda header, data: None
        self.lost: Callable[[], None] = lambda: None
        self.is_lost = False
        self._reader = frames.Reader()
        self._transport: asyncio.Transport | None = None
        self._asked: asyncio.Future[dict[str, Any]] | None = None

    @classmethod
    async def open(cls, name: str, module: str = PYTHON) -> Connection:
        """Start a process. It ends by itself when this end of the socket is closed, also if the server is killed.

        module: what it runs; what that prints goes to the log
        """
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", module, str(theirs.fileno())]
        root = str(Path(__file__).parents[4])
        path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p)
        process = await asyncio.to_thread(
            subprocess.Popen,
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        theirs.close()
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: Printed(name), process.stdout)
        _, made = await loop.create_connection(lambda: cls(process, name), sock=ours)
        return made

    async def ask(self, header: dict[str, Any], patience_s: float = 600.0) -> dict[str, Any]:
        """The process's answer to a message of a kind that has one. ServeError INTERNAL with the model's words."""
        self._asked = asyncio.get_running_loop().create_future()
        self.send(header)
        try:
            answer = await asyncio.wait_for(self._asked, patience_s)
        except TimeoutError:
            raise ServeError(
                Code.INTERNAL, f"the model's process did not finish '{header['kind']}' within {patience_s:g} s"
            ) from None
        finally:
            self._asked = None
        if answer["error"]:
            raise ServeError(Code.INTERNAL, answer["error"])
        return answer

    def send(self, header: dict[str, Any], tensors: Sequence[Tensor] = ()) -> None:
        if self._transport is None or self.is_lost:
            raise self._gone()
        self._transport.writelines(frames.pack(header, tensors))

    async def kill(self) -> None:
        """End a process that is not to finish anything: its model could not be loaded, or nobody waits for it."""
        self.process.kill()
        await self.close()

    async def close(self, patience_s: float = 30.0) -> None:
        """Let the model finish, then end the process; kill it if it does not end in time."""
        if not self.is_lost:
            with contextlib.suppress(ServeError):
                await self.ask({"kind": "finalize"}, patience_s)
        self.lost = lambda: None
        if self._transport is not None:
            self._transport.close()
        try:
            await asyncio.to_thread(self.process.wait, 5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            await asyncio.to_thread(self.process.wait)

    # ---- asyncio.Protocol ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not derived from it

    def get_buffer(self, hint: int) -> memoryview:
        return self._reader.space()

    def buffer_updated(self, count: int) -> None:
        for header, tensors in self._reader.took(count):
            if header["kind"] == "log":
                log.log(_LEVELS.get(header["level"], logging.INFO), "%s: %s", self.name, header["message"])
            elif header["kind"] == "done":
                if self._asked is not None and not self._asked.done():
                    self._asked.set_result(header)
            else:
                self.hear(header, tensors)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        asyncio.get_running_loop().run_in_executor(None, self.process.wait)  # a process that ended is to be collected
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(self._gone())
        self.lost()

    def _gone(self) -> ServeError:
        return ServeError(Code.INTERNAL, f"Stub process '{self.name}' is not healthy.")
