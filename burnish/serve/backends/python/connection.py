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


class Connection(asyncio.Protocol):
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
    async def open(cls, name: str) -> Connection:
        """Start a process. It ends by itself when this end of the socket is closed, also if the server is killed."""
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "burnish.serve.backends.python.process", str(theirs.fileno())]
        root = str(Path(__file__).parents[4])
        path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p)
        process = await asyncio.to_thread(
            subprocess.Popen,
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        theirs.close()
        ours.setblocking(False)
        _, made = await asyncio.get_running_loop().create_connection(lambda: cls(process, name), sock=ours)
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

    def data_received(self, data: bytes) -> None:
        for header, tensors in self._reader.feed(data):
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
