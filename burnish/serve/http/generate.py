"""POST /v2/models/M/generate and generate_stream: inputs and parameters as plain JSON members, answers likewise."""

from __future__ import annotations

import math
from typing import Any

from burnish.serve.config.show import protocol_type
from burnish.serve.core.raw_data import object_tensor, wrong_count
from burnish.serve.core.server import Server
from burnish.serve.datatypes import BYTES
from burnish.serve.http.read_request import add_input, parameter_of, read_id
from burnish.serve.http.text.data import flatten, json_of, numbers_of, strings_of
from burnish.serve.http.text.parse import parse_json
from burnish.serve.http.text.strings import writable
from burnish.serve.http.text.words import as_object, members
from burnish.serve.http.trace_headers import read_trace_headers
from burnish.serve.http.wire.exchange import EVENTS, JSON, Exchange, error_body
from burnish.serve.http.write_response import dump
from burnish.serve.repository.version import ModelVersion
from burnish.serve.request import Request, Response, Tensor
from burnish.serve.status import ServeError, invalid

_NOT_ONE = (
    "generate expects model to produce exactly 1 response, use generate stream for model that generates various number "
    "of responses"
)
_MODEL_ERROR = 400  # whatever the model's error is


class GenerateRoute:
    def __init__(self, server: Server, is_stream: bool) -> None:
        self._server, self._is_stream = server, is_stream

    def __call__(self, exchange: Exchange, model: str, number: int) -> None:
        try:
            version = self._server.find(model, number)
            if exchange.headers.get(b"content-encoding", b"identity") not in (b"", b"identity"):
                raise invalid("Unsupported content-encoding, only 'identity' is supported.")
            request = read_generate(version, number, exchange.body)
            read_trace_headers(exchange.headers, request)
            answer = _Stream(exchange) if self._is_stream else _Single(exchange)
            job = self._server.infer(request, answer.reply)
            if not job.is_over:
                exchange.on_gone = job.cancel
        except ServeError as error:
            exchange.fail(error.code.http, error.message, JSON)


def read_generate(version: ModelVersion, number: int, body: bytes) -> Request:
    """A member named like an input is that input, any other a parameter; `parameters` has further ones of both."""
    document = parse_json(body)
    request = Request(version.name, {}, number, read_id(document))
    inputs = {i.name: i for i in version.config.input}
    batch = [-1] if version.max_batch_size > 0 else []
    for key, value in members(document).items():
        if key != "parameters":
            _add(request, key, value, inputs, batch)
            continue
        if key in inputs:
            raise invalid(f"Keyword '{key}' for nested schema also given as input tensor name")
        for inner, inner_value in as_object(value, f"Expected JSON object for keyword: '{key}'").items():
            try:
                _add(request, inner, inner_value, inputs, batch)
            except ServeError as error:
                raise ServeError(error.code, f"Converting keyword: '{key}': {error.message}") from None
    return request


def _add(request: Request, name: str, value: Any, inputs: dict[str, Any], batch: list[int]) -> None:
    config = inputs.get(name)
    if config is None:
        request.parameters[name] = parameter_of(name, value)
        return
    datatype = protocol_type(config.data_type)
    given = len(value) if type(value) is list else 1
    elements = flatten(value) if type(value) is list else [value]
    if datatype == BYTES:
        strings = strings_of(elements)
        shape = _shape(name, [*batch, *config.dims], given)
        if len(strings) != given:
            raise wrong_count(name, request.model, given, len(strings)).error(request.id)
        tensor = object_tensor(name, strings, shape)
    else:
        shape = _shape(name, [*batch, *config.dims], given)
        tensor = Tensor(name, datatype, numbers_of(name, datatype, elements, given).reshape(shape))
    add_input(request, name)
    request.inputs[name] = tensor


def _shape(name: str, dims: list[int], count: int) -> tuple[int, ...]:
    """The last open axis takes what the fixed ones leave over, the other open ones are 1."""
    fixed = math.prod(d for d in dims if d != -1)
    rest, excess = divmod(count, fixed) if fixed else (0, 1)
    for axis in reversed(range(len(dims))):
        if dims[axis] == -1:
            dims[axis], rest = rest, 1
    if excess or rest != 1:
        raise invalid(f"The schema can not convert input '{name}' to tensor with proper shape")
    return tuple(dims)


def write_generate(response: Response) -> bytes:
    """The members in the order of their names. Raises ServeError."""
    if response.error is not None:
        raise response.error
    out: dict[str, Any] = {"id": writable(response.id)} if response.id else {}
    out["model_name"], out["model_version"] = response.model, str(response.version)
    for key, value in response.parameters.items():
        out.setdefault(key, value)
    for tensor in response.outputs or []:
        if tensor.name not in out:
            out[tensor.name] = json_of(tensor, tensor.data.size == 1, is_spelled=True)
    return dump(dict(sorted(out.items())))


def _event(body: bytes) -> bytes:
    return b"data: %b\n\n" % body


class _Single:
    """Sends the one answer when it is known that no other comes."""

    __slots__ = ("_answers", "_exchange", "_status")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange, self._status = exchange, 0
        self._answers: list[bytes] = []

    def reply(self, response: Response) -> None:
        if response.outputs is not None or response.error is not None:
            try:
                body, status = write_generate(response), 200
            except ServeError as error:
                body, status = error_body(error.message), _MODEL_ERROR
            self._status = self._status or status
            self._answers.append(body)
        if response.is_final:
            body = self._answers[0] if len(self._answers) == 1 else error_body(_NOT_ONE)
            self._exchange.answer(self._status or 200, JSON, body)


class _Stream:
    """Sends answers as server-sent events when they come. The first one decides the status."""

    __slots__ = ("_exchange", "_has_begun")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange, self._has_begun = exchange, False

    def reply(self, response: Response) -> None:
        exchange = self._exchange
        body, status = b"", 200
        if response.outputs is not None or response.error is not None:
            try:
                body = _event(write_generate(response))
            except ServeError as error:
                body, status = _event(error_body(error.message)), _MODEL_ERROR
        if not self._has_begun:
            self._has_begun = True
            exchange.begin(status, EVENTS)
        exchange.send(body)
        if response.is_final:
            exchange.end()
