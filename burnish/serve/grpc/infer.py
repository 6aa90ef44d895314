"""ModelInfer and ModelStreamInfer."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from burnish.serve.core.forward_headers import Forward
from burnish.serve.core.server import Server
from burnish.serve.core.shared_memory import SharedMemory
from burnish.serve.grpc.read_infer import Asked, Wishes, read_infer
from burnish.serve.grpc.read_version import read_version
from burnish.serve.grpc.transport.call import Call
from burnish.serve.grpc.transport.header_blocks import Metadata
from burnish.serve.grpc.transport.status import GrpcError
from burnish.serve.grpc.write_infer import FINAL, fill
from burnish.serve.job import Job, Reply
from burnish.serve.proto import grpc_service_pb2 as pb
from burnish.serve.repository.version import ModelVersion
from burnish.serve.request import Request, Response
from burnish.serve.status import Code, ServeError


class Inference:
    """The two methods, over one server."""

    def __init__(self, server: Server, shared: SharedMemory | None, forward: Forward | None = None) -> None:
        self._server, self._shared, self._forward = server, shared, forward

    def infer(self, data: bytes, call: Call) -> None:
        """ModelInfer. The answer comes by `call.reply`, at once if the model runs in place."""
        message = pb.ModelInferRequest.FromString(data)
        number = read_version(message.model_version)
        version = self._server.find(message.model_name, number)
        if version.is_decoupled:
            raise ServeError(
                Code.UNSUPPORTED, "ModelInfer RPC doesn't support models with decoupled transaction policy"
            )
        asked = self._read(message, number, version)
        self._read_metadata(call.metadata, asked.request)
        wishes = asked.wishes

        def reply(response: Response) -> None:
            if call.is_over:
                return
            if response.error is not None:
                call.fail(status_of(response.error))
                return
            answer = pb.ModelInferResponse()
            try:
                fill(answer, response, version, wishes)
            except ServeError as error:
                call.fail(status_of(error))
            else:
                call.reply(answer.SerializeToString())

        job = self._submit(asked, reply)
        if not job.is_over:
            call.on_cancel(job.cancel)

    async def stream(self, call: Call) -> None:
        """ModelStreamInfer: every request is queued as it comes; errors are answers, and the stream goes on."""
        answers = Answers(call)
        call.on_cancel(answers.cancel)
        async for data in call.messages():
            self._stream_one(pb.ModelInferRequest.FromString(data), answers)
            await call.drain()
        await answers.all_sent()

    def _stream_one(self, message: Any, answers: Answers) -> None:
        try:
            number = read_version(message.model_version)
            version = self._server.find(message.model_name, number)
            asked = self._read(message, number, version)
            self._read_metadata(answers.metadata, asked.request)
            slot = answers.open(not version.is_decoupled)
            try:
                job = self._submit(asked, self._replier(answers, slot, version, asked.wishes))
            except ServeError:
                answers.close(slot)
                raise
            if not job.is_over:
                slot.job = job
        except ServeError as error:
            refusal = pb.ModelStreamInferResponse(error_message=error.message)
            refusal.infer_response.id = message.id
            slot = answers.open(True)
            answers.write(slot, refusal.SerializeToString())
            answers.close(slot)

    def _read_metadata(self, metadata: Metadata, request: Request) -> None:
        read_trace_metadata(metadata, request)
        if self._forward is not None:
            self._forward(((n, v) for n, v in metadata if isinstance(v, str)), request.parameters)

    def _replier(self, answers: Answers, slot: Slot, version: ModelVersion, wishes: Wishes) -> Reply:
        def reply(response: Response) -> None:
            message = self._streamed(response, version, wishes)
            if message is not None:
                answers.write(slot, message.SerializeToString())
            if response.is_final:
                answers.close(slot)

        return reply

    def _streamed(self, response: Response, version: ModelVersion, wishes: Wishes) -> Any:
        """What the stream holds of an answer; None for an end that the client did not ask to be told."""
        message, error = pb.ModelStreamInferResponse(), response.error
        answer = message.infer_response
        if error is None and response.outputs is not None:
            try:
                fill(answer, response, version, wishes)
            except ServeError as found:
                error = found
                answer.Clear()
        elif error is None and not wishes.empty_final:
            return None
        if error is not None:
            message.error_message = error.message
        if error is not None or response.outputs is None:
            answer.model_name = response.model
            answer.id = response.id
        answer.parameters[FINAL].bool_param = response.is_final
        return message

    def _submit(self, asked: Asked, reply: Reply) -> Job:
        """Regions of shared memory that answers go to stay registered until the last one."""
        regions = [part.region for part in asked.wishes.parts.values()]
        if not regions:
            return self._server.infer(asked.request, reply)

        def release() -> None:
            for region in regions:
                region.users -= 1

        def replied(response: Response) -> None:
            reply(response)
            if response.is_final:
                release()

        for region in regions:
            region.users += 1
        try:
            return self._server.infer(asked.request, replied)
        except ServeError:
            release()
            raise

    def _read(self, message: Any, number: int, version: ModelVersion) -> Asked:
        asked = read_infer(message, number, self._shared)
        if asked.fault is not None:
            version.check(asked.request)  # anything else that is wrong comes first
            raise asked.fault
        return asked


class Slot:
    """The place of one request's answers in a stream."""

    __slots__ = ("held", "is_closed", "is_ordered", "job")

    def __init__(self, is_ordered: bool) -> None:
        self.is_ordered, self.is_closed = is_ordered, False
        self.held: list[bytes] = []
        self.job: Job | None = None


class Answers:
    """What a stream sends: the answers of models that give one each in the order of their requests, those of decoupled
    models as they come."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.metadata = call.metadata
        self._order: deque[Slot] = deque()
        self._open: set[Slot] = set()
        self._waiting: asyncio.Future[None] | None = None

    def open(self, is_ordered: bool) -> Slot:
        slot = Slot(is_ordered)
        self._open.add(slot)
        if is_ordered:
            self._order.append(slot)
        return slot

    def write(self, slot: Slot, message: bytes) -> None:
        if slot.is_ordered and self._order[0] is not slot:
            slot.held.append(message)
        else:
            self._call.write(message)

    def close(self, slot: Slot) -> None:
        """No more answers to this request."""
        slot.is_closed = True
        self._open.discard(slot)
        order = self._order
        while order and order[0].is_closed:
            order.popleft()
            for message in order[0].held if order else ():
                self._call.write(message)
        if not self._open and self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def all_sent(self) -> None:
        if self._open:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting

    def cancel(self) -> None:
        for slot in list(self._open):
            if slot.job is not None:
                slot.job.cancel()


def read_trace_metadata(metadata: Metadata, request: Request) -> None:
    """W3C's trace context: which trace of the client's a request is part of."""
    for name, value in metadata:
        if name == "traceparent" and isinstance(value, str):
            request.traceparent = value
        elif name == "tracestate" and isinstance(value, str):
            request.tracestate = value


def status_of(error: ServeError) -> GrpcError:
    return GrpcError(error.code.grpc, error.message)
