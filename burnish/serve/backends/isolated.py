"""A plan in processes of its own, one an instance, so that a crash costs the requests in it and nothing else.

The weights lie in the mapped file, which all processes share. A process that ends is started again, as that of a Python
model is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from burnish.serve.backends.python.connection import Connection
from burnish.serve.backends.python.instance import PythonInstance
from burnish.serve.proto import model_config_pb2 as pb

MODULE = "burnish.serve.backends.plan_process"


class IsolatedBackend:
    """memory_bytes: of all processes together."""

    def __init__(self, instances: list[PythonInstance], memory_bytes: int) -> None:
        self.instances, self.memory_bytes = instances, memory_bytes

    @classmethod
    async def open(
        cls, names: Sequence[str], config: pb.ModelConfig, start: dict[str, Any], memory_bytes: int
    ) -> IsolatedBackend:
        """start: what each process is told to load; see `PlanProcess._start`."""

        async def process(name: str) -> Connection:
            made = await Connection.open(name, MODULE)
            try:
                await made.ask({"kind": "start", **start})
            except BaseException:
                await made.kill()
                raise
            return made

        loop, folder = asyncio.get_running_loop(), Path(start["file"]).parent
        instances: list[PythonInstance] = []
        try:
            for name in names:
                instance = PythonInstance(name, config, 0, folder, process, loop)
                await instance.start(await process(name))
                instances.append(instance)
        except BaseException:
            await asyncio.gather(*(i.close() for i in instances))
            raise
        return cls(instances, memory_bytes)

    async def close(self) -> None:
        await asyncio.gather(*(i.close() for i in self.instances))
        self.memory_bytes = 0
