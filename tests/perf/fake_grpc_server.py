"""A small v2 server over gRPC whose answers take as long as a script says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.json_format import ParseDict

from burnish.perf.client.http2_connection import SERVICE
from burnish.serve.proto import grpc_service_pb2 as pb
from tests.perf.fake_server import CONFIG, METADATA, statistics


@dataclass
class FakeGrpcServer:
    """delay_s: of the n-th request; fault: its error; responses: how many a stream gets, each after the delay."""

    delay_s: Callable[[int], float] = lambda n: 0.0
    fault: Callable[[int], str] = lambda n: ""
    responses: int = 3
    marks_final: bool = True
    echoes: bool = False  # the first input comes back as the first output
    has_extensions: bool = True
    port: int = 0
    received: list[Any] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)
    registered: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.port}"

    def infer(self, request: Any, context: grpc.ServicerContext) -> Any:
        number = len(self.received)
        self.received.append(request)
        self.metadata.append({m.key: str(m.value) for m in context.invocation_metadata()})
        time.sleep(self.delay_s(number))
        if fault := self.fault(number):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, fault)
        return pb.ModelInferResponse(model_name="echo", raw_output_contents=self._content(request))

    def _content(self, request: Any) -> list[bytes]:
        return list(request.raw_input_contents[:1]) if self.echoes else []

    def stream(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        for request in requests:
            number = len(self.received)
            self.received.append(request)
            if fault := self.fault(number):
                yield pb.ModelStreamInferResponse(error_message=fault)
                continue
            for _ in range(self.responses):
                time.sleep(self.delay_s(number))
                found = pb.ModelStreamInferResponse()
                found.infer_response.outputs.add(name="OUT")
                found.infer_response.raw_output_contents.extend(self._content(request))
                if self.marks_final:
                    found.infer_response.parameters["triton_final_response"].bool_param = False
                yield found
            if self.marks_final:
                last = pb.ModelStreamInferResponse()
                last.infer_response.parameters["triton_final_response"].bool_param = True
                yield last

    def handlers(self) -> dict[str, Any]:
        def unary(act: Callable[[Any, Any], Any], request: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(act, request.FromString, lambda m: m.SerializeToString())

        def tell_metadata(request: Any, context: Any) -> Any:
            if request.name != "echo":
                context.abort(grpc.StatusCode.NOT_FOUND, f"no model {request.name}")
            return ParseDict(METADATA, pb.ModelMetadataResponse())

        def register(request: Any, context: Any) -> Any:
            if request.name == "bad":
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not here")
            self.registered[request.name] = (request.key, request.byte_size)
            return pb.SystemSharedMemoryRegisterResponse()

        def unregister(request: Any, context: Any) -> Any:
            del self.registered[request.name]
            return pb.SystemSharedMemoryUnregisterResponse()

        found = {
            "ModelInfer": unary(self.infer, pb.ModelInferRequest),
            "ModelStreamInfer": grpc.stream_stream_rpc_method_handler(
                self.stream, pb.ModelInferRequest.FromString, lambda m: m.SerializeToString()
            ),
            "ModelMetadata": unary(tell_metadata, pb.ModelMetadataRequest),
            "SystemSharedMemoryRegister": unary(register, pb.SystemSharedMemoryRegisterRequest),
            "SystemSharedMemoryUnregister": unary(unregister, pb.SystemSharedMemoryUnregisterRequest),
        }
        if self.has_extensions:
            config = {"config": CONFIG}
            found["ModelConfig"] = unary(
                lambda r, c: ParseDict(config, pb.ModelConfigResponse()), pb.ModelConfigRequest
            )
            found["ServerMetadata"] = unary(
                lambda r, c: pb.ServerMetadataResponse(name="fake", version="1.0"), pb.ServerMetadataRequest
            )
            found["ModelStatistics"] = unary(
                lambda r, c: ParseDict({"model_stats": [statistics(len(self.received))]}, pb.ModelStatisticsResponse()),
                pb.ModelStatisticsRequest,
            )
        return found


@contextmanager
def running_grpc(server: FakeGrpcServer, credentials: grpc.ServerCredentials | None = None) -> Iterator[FakeGrpcServer]:
    """Serve until the end."""
    options = (("grpc.max_receive_message_length", -1),)
    listening = grpc.server(ThreadPoolExecutor(8), options=options)
    listening.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE.strip("/"), server.handlers()),))
    place = "127.0.0.1:0"
    port = listening.add_secure_port(place, credentials) if credentials else listening.add_insecure_port(place)
    server.port = port
    listening.start()
    try:
        yield server
    finally:
        listening.stop(0).wait(5)
