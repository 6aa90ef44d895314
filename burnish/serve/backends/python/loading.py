"""Load a Python model: import its file in a process, let it complete the configuration, start its instances."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from burnish.serve.backends.loading import Place
from burnish.serve.backends.python.connection import Connection
from burnish.serve.backends.python.instance import PythonInstance
from burnish.serve.config.complete import update_from_model
from burnish.serve.config.parse_json import parse_json
from burnish.serve.config.refusal import ConfigError
from burnish.serve.config.show import config_json
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.status import Code, ServeError

_CPU_ONLY = "FORCE_CPU_ONLY_INPUT_TENSORS"


class PythonLoading:
    """The first instance's process, in which the model's file is imported."""

    def __init__(self, first: Connection, folder: Path, number: int, file: str, completes: bool, place: Place) -> None:
        self._first, self._folder, self._number, self._file = first, folder, number, file
        self._completes, self._place = completes, place

    @classmethod
    async def begin(cls, config: pb.ModelConfig, folder: Path, number: int, place: Place) -> PythonLoading:
        if config.parameters["EXECUTION_ENV_PATH"].string_value if "EXECUTION_ENV_PATH" in config.parameters else "":
            raise ConfigError(
                f"model '{config.name}' asks for a Python environment of its own (EXECUTION_ENV_PATH), which is not "
                "supported: start the server in an environment that has what its models import"
            )
        wish = config.parameters[_CPU_ONLY].string_value if _CPU_ONLY in config.parameters else "no"
        if wish not in ("yes", "no"):
            raise ServeError(Code.UNSUPPORTED, f"Incorrect value for {_CPU_ONLY}: {wish}'")
        file = config.default_model_filename
        if not (folder / str(number) / file).is_file():
            raise ServeError(Code.INTERNAL, f"Python model file not found in neither '{folder}/{number}/{file}' nor ''")
        first = await Connection.open(f"{config.name}_0")
        try:
            answer = await first.ask(_start(folder, number, file))
        except BaseException:
            await first.kill()
            raise
        return cls(first, folder, number, file, answer["completes"], place)

    async def complete(self, config: pb.ModelConfig) -> None:
        if self._completes:
            told = await self._first.ask({"kind": "complete", "config": config_json(config)})
            update_from_model(config, parse_json(json.dumps(told["config"])))

    def needed_bytes(self, config: pb.ModelConfig) -> int:
        """What a model's own processes take nobody knows before: it is measured when they are ready."""
        return 0

    async def open(self, config: pb.ModelConfig) -> PythonBackend:
        names = [f"{g.name}_{n}" for g in config.instance_group for n in range(max(g.count, 1))] or [config.name]
        instances: list[PythonInstance] = []
        try:
            for place, name in enumerate(names):
                instance = PythonInstance(
                    name, config, self._number, self._folder, self._start_another, self._place.loop, self._place.submit
                )
                await instance.start(self._first if not place else await self._start_another(name))
                instances.append(instance)
        except BaseException:
            await asyncio.gather(*(i.close() for i in instances[1:]))
            raise
        return PythonBackend(instances, sum(await asyncio.to_thread(lambda: [i.own_bytes() for i in instances])))

    async def abort(self) -> None:
        await self._first.close()

    async def _start_another(self, name: str) -> Connection:
        made = await Connection.open(name)
        try:
            await made.ask(_start(self._folder, self._number, self._file))
        except BaseException:
            await made.kill()
            raise
        return made


class PythonBackend:
    """Processes of one model version. memory_bytes: what they did not share with others when the model was ready."""

    def __init__(self, instances: list[PythonInstance], memory_bytes: int) -> None:
        self.instances, self.memory_bytes = instances, memory_bytes

    async def close(self) -> None:
        await asyncio.gather(*(i.close() for i in self.instances))
        self.memory_bytes = 0


def _start(folder: Path, number: int, file: str) -> dict[str, str]:
    return {"kind": "start", "folder": str(folder), "version": str(number), "file": file}
