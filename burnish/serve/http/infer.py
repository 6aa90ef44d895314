"""POST /v2/models/M/infer.

Which Content-Type an error has tells where Triton met it: text/plain before there was a request and in the model's
answer, application/json in between.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping

from burnish.serve.core.forward_headers import Forward
from burnish.serve.core.server import Server
from burnish.serve.core.shared_memory import SharedMemory
from burnish.serve.http.background import run_later
from burnish.serve.http.raw_input import raw_call
from burnish.serve.http.read_request import Call, read_call
from burnish.serve.http.trace_headers import read_trace_headers
from burnish.serve.http.wire.compression import choose_encoding, compress, decompress
from burnish.serve.http.wire.exchange import BINARY, JSON, TEXT, Exchange, Headers
from burnish.serve.http.wire.limits import Limits
from burnish.serve.http.write_response import write_response
from burnish.serve.repository.version import ModelVersion
from burnish.serve.request import Response
from burnish.serve.status import Code, ServeError, invalid

HEADER_BYTES = b"inference-header-content-length"
# Longer bodies are packed and unpacked on another thread: zlib lets the event loop run meanwhile.
_LONG_PACKED, _LONG_PLAIN = 16 << 10, 256 << 10
_NUMBER = re.compile(rb"[ \t]*([+-]?[0-9]+)")


class InferRoute:
    def __init__(
        self, server: Server, shared: SharedMemory | None, limits: Limits, forward: Forward | None = None
    ) -> None:
        self._server, self._shared, self._limits, self._forward = server, shared, limits, forward

    def __call__(self, exchange: Exchange, model: str, number: int) -> None:
        try:
            version = self._server.find(model, number)
            if version.is_decoupled:
                raise ServeError(
                    Code.UNSUPPORTED, "HTTP end point doesn't support models with decoupled transaction policy"
                )
            encoding = exchange.headers.get(b"content-encoding", b"identity")
            if encoding == b"identity":
                self._start(exchange, version, number, exchange.body)
            elif len(exchange.body) <= _LONG_PACKED:
                body = decompress(exchange.body, encoding, self._limits.decompressed_bytes)
                self._start(exchange, version, number, body)
            else:
                run_later(exchange, self._unpack(exchange, version, number, encoding))
        except ServeError as error:
            _refuse(exchange, error)

    async def _unpack(self, exchange: Exchange, version: ModelVersion, number: int, encoding: bytes) -> None:
        limit = self._limits.decompressed_bytes
        try:
            body = await asyncio.to_thread(decompress, exchange.body, encoding, limit)
            self._start(exchange, version, number, body)
        except ServeError as error:
            _refuse(exchange, error)

    def _start(self, exchange: Exchange, version: ModelVersion, number: int, body: bytes) -> None:
        header_bytes = _header_bytes(exchange, len(body))
        answer: _Answer | None = None
        try:
            if header_bytes:
                call = read_call(version.name, number, body, header_bytes, self._shared)
            else:
                call = raw_call(version, number, body)
            if call.fault is not None:
                version.check(call.request)
                error = call.fault.error(call.request.id)
                exchange.fail(error.code.http, error.message)
                return
            read_trace_headers(exchange.headers, call.request)
            if self._forward is not None:
                self._forward(_texts(exchange.headers), call.request.parameters)
            answer = _Answer(exchange, call, version)
            job = self._server.infer(call.request, answer.reply)
            if not job.is_over:
                exchange.on_gone = job.cancel
        except ServeError as error:
            if answer is not None:
                answer.release()
            exchange.fail(error.code.http, error.message, JSON)


class _Answer:
    """Waits for the model's one answer, and sends it."""

    __slots__ = ("_call", "_count", "_exchange", "_response", "_version")

    def __init__(self, exchange: Exchange, call: Call, version: ModelVersion) -> None:
        self._exchange, self._call, self._version = exchange, call, version
        self._response: Response | None = None
        self._count = 0
        for form in call.outputs.values():
            if form.region is not None:
                form.region.users += 1

    def release(self) -> None:
        for form in self._call.outputs.values():
            if form.region is not None:
                form.region.users -= 1

    def reply(self, response: Response) -> None:
        if response.outputs is not None or response.error is not None:
            self._count += 1
            self._response = response
        if not response.is_final:
            return
        try:
            self._send()
        except ServeError as error:
            self._exchange.fail(error.code.http, error.message)
        finally:
            self.release()

    def _send(self) -> None:
        response, exchange = self._response, self._exchange
        if self._count != 1 or response is None:
            raise ServeError(Code.INTERNAL, f"expected a single response, got {self._count}")
        if response.error is not None:
            raise response.error
        if exchange.is_gone:
            return
        head, binary = write_response(
            response, self._call, self._version.labels, has_batch_axis=self._version.max_batch_size > 0
        )
        kind: bytes = JSON
        headers: Headers = ()
        if binary:
            kind, headers = BINARY, ((b"Inference-Header-Content-Length", b"%d" % len(head)),)
            head = b"".join((head, *binary))
        accept = exchange.headers.get(b"accept-encoding")
        encoding = choose_encoding(accept) if accept else b""
        if not encoding:
            exchange.answer(200, kind, head, headers)
            return
        headers = (*headers, (b"Content-Encoding", encoding))
        if len(head) > _LONG_PLAIN:
            run_later(exchange, _pack(exchange, kind, head, headers, encoding))
        else:
            exchange.answer(200, kind, compress(head, encoding), headers)


async def _pack(exchange: Exchange, kind: bytes, body: bytes, headers: Headers, encoding: bytes) -> None:
    exchange.answer(200, kind, await asyncio.to_thread(compress, body, encoding), headers)


def _refuse(exchange: Exchange, error: ServeError) -> None:
    is_encoding = error.code is Code.UNSUPPORTED and b"content-encoding" in exchange.headers
    headers = ((b"Accept-Encoding", b"gzip, deflate"),) if is_encoding else ()
    exchange.fail(error.code.http, error.message, TEXT, headers)


def _texts(headers: Mapping[bytes, bytes]) -> Iterator[tuple[str, str]]:
    return ((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.items())


def _header_bytes(exchange: Exchange, body_bytes: int) -> int:
    """How long the body's JSON part is; 0 if all of it is one tensor. What is no number counts as 0, as for Triton."""
    text = exchange.headers.get(HEADER_BYTES)
    if text is None:
        return body_bytes
    match = _NUMBER.match(text)
    size = int(match.group(1)) if match and len(match.group(1)) < 20 else -1 if match else 0
    if not 0 <= size <= body_bytes:
        raise invalid(
            f"inference header size should be in range (0, {body_bytes}), got: {text.decode('latin-1').strip()}"
        )
    return size
