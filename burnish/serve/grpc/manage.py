"""The methods that ask about models or change what is served: a message in, a message out."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import ParseDict

from burnish.serve.core.server import Server
from burnish.serve.core.shared_memory import SharedMemory
from burnish.serve.grpc.read_version import read_version
from burnish.serve.proto import grpc_service_pb2 as pb
from burnish.serve.request import NEWEST
from burnish.serve.status import Code, ServeError, invalid


class Management:
    """Each method is named as its gRPC method is."""

    def __init__(self, server: Server, shared: SharedMemory | None) -> None:
        self._server, self._shared = server, shared

    # ---- health and what there is -------------------------------------------------------------------------------

    def ServerLive(self, asked: Any) -> Any:
        return pb.ServerLiveResponse(live=self._server.is_live)

    def ServerReady(self, asked: Any) -> Any:
        return pb.ServerReadyResponse(ready=self._server.is_ready)

    def ModelReady(self, asked: Any) -> Any:
        number = read_version(asked.version)
        return pb.ModelReadyResponse(ready=self._server.repository.is_ready(asked.name, number))

    def ServerMetadata(self, asked: Any) -> Any:
        server = self._server
        return pb.ServerMetadataResponse(name=server.name, version=server.version, extensions=server.extensions)

    def ModelMetadata(self, asked: Any) -> Any:
        number = read_version(asked.version)
        version = self._server.find(asked.name, number)
        numbers = [number]
        if number == NEWEST:
            numbers = [v.number for v in self._server.repository.served() if v.name == asked.name]
        return ParseDict(version.metadata(sorted(numbers)), pb.ModelMetadataResponse(), ignore_unknown_fields=True)

    def ModelConfig(self, asked: Any) -> Any:
        version = self._server.find(asked.name, read_version(asked.version))
        return pb.ModelConfigResponse(config=version.config)

    def ModelStatistics(self, asked: Any) -> Any:
        number = read_version(asked.version)
        found = [v for v in self._server.repository.served() if asked.name in ("", v.name)]
        if asked.name and not found:
            raise invalid(f"requested model '{asked.name}' is not available")
        if asked.name and number != NEWEST:
            found = [v for v in found if v.number == number]
            if not found:
                raise invalid(f"requested model version is not available for model '{asked.name}'")
        answer = pb.ModelStatisticsResponse()
        for version in sorted(found, key=lambda v: (v.name, v.number)):
            told = version.statistics.as_json(version.name, version.number)
            ParseDict(told, answer.model_stats.add(), ignore_unknown_fields=True)
        return answer

    # ---- the repository -----------------------------------------------------------------------------------------

    async def RepositoryIndex(self, asked: Any) -> Any:
        _check_repository(asked)
        answer = pb.RepositoryIndexResponse()
        for entry in await self._server.repository.index(asked.ready):
            answer.models.add(name=entry.name, version=entry.version, state=entry.state, reason=entry.reason)
        return answer

    async def RepositoryModelLoad(self, asked: Any) -> Any:
        _check_repository(asked)
        parameters: dict[str, str | bytes] = {}
        for name, parameter in asked.parameters.items():
            if name != "config" and not name.startswith("file:"):
                raise invalid(f"unrecognized load parameter '{name}'.")
            kind = "string_param" if name == "config" else "bytes_param"
            if parameter.WhichOneof("parameter_choice") != kind:
                raise invalid(f"invalid value type for load parameter '{name}', expected {kind}.")
            parameters[name] = getattr(parameter, kind)
        await self._server.repository.load(asked.model_name, parameters)
        return pb.RepositoryModelLoadResponse()

    async def RepositoryModelUnload(self, asked: Any) -> Any:
        _check_repository(asked)
        with_dependents = False
        if "unload_dependents" in asked.parameters:
            parameter = asked.parameters["unload_dependents"]
            if parameter.WhichOneof("parameter_choice") != "bool_param":
                raise invalid("invalid value type for 'unload_dependents' parameter, expected bool_param.")
            with_dependents = parameter.bool_param
        await self._server.repository.unload(asked.model_name, with_dependents)
        return pb.RepositoryModelUnloadResponse()

    # ---- shared memory ------------------------------------------------------------------------------------------

    def SystemSharedMemoryStatus(self, asked: Any) -> Any:
        answer = pb.SystemSharedMemoryStatusResponse()
        for region in self._regions().status(asked.name):
            told = answer.regions[region.name]
            told.name, told.key, told.offset, told.byte_size = region.name, region.key, region.offset, region.size
        return answer

    def SystemSharedMemoryRegister(self, asked: Any) -> Any:
        self._regions().register(asked.name, asked.key, asked.offset, asked.byte_size)
        return pb.SystemSharedMemoryRegisterResponse()

    def SystemSharedMemoryUnregister(self, asked: Any) -> Any:
        regions = self._regions()
        if asked.name:
            regions.unregister(asked.name)
        else:
            regions.unregister_all()
        return pb.SystemSharedMemoryUnregisterResponse()

    def CudaSharedMemoryStatus(self, asked: Any) -> Any:
        if asked.name:
            raise ServeError(Code.NOT_FOUND, f"Unable to find cuda shared memory region: '{asked.name}'")
        return pb.CudaSharedMemoryStatusResponse()

    def CudaSharedMemoryRegister(self, asked: Any) -> Any:
        raise invalid("failed to register shared memory region: invalid args")  # as a Triton without a GPU says it

    def CudaSharedMemoryUnregister(self, asked: Any) -> Any:
        return pb.CudaSharedMemoryUnregisterResponse()

    def _regions(self) -> SharedMemory:
        if self._shared is None:
            raise ServeError(Code.UNSUPPORTED, "system shared memory is switched off on this server")
        return self._shared


def _check_repository(asked: Any) -> None:
    if asked.repository_name:
        raise ServeError(Code.UNSUPPORTED, "'repository_name' specification is not supported")
