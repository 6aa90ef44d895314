"""System shared memory: register, status, unregister. CUDA's is known by its words, and never registered."""

from __future__ import annotations

from burnish.serve.core.shared_memory import SharedMemory
from burnish.serve.http.management import decode_base64
from burnish.serve.http.read_request import shared_memory_is_off
from burnish.serve.http.text.parse import parse_json
from burnish.serve.http.text.words import MISSING, as_string, as_uint, find, member
from burnish.serve.http.wire.exchange import JSON, Exchange
from burnish.serve.status import Code, ServeError, invalid

_CUDA_HANDLE_BYTES = 64


class SharedMemoryRoutes:
    """shared: None if it is switched off."""

    def __init__(self, shared: SharedMemory | None) -> None:
        self._shared = shared

    def system_status(self, exchange: Exchange, region: str) -> None:
        regions = self._on.status(region)
        exchange.answer_json([{"name": r.name, "key": r.key, "offset": r.offset, "byte_size": r.size} for r in regions])

    def system_register(self, exchange: Exchange, region: str) -> None:
        if not region:
            raise invalid("'region name' is necessary to register system shared memory region")
        shared, body = self._on, parse_json(exchange.body)
        key, offset, size = find(body, "key"), find(body, "offset"), find(body, "byte_size")
        if key is MISSING:
            raise invalid("Shared memory register request has no 'key' field")
        key = as_string(key)
        offset = 0 if offset is MISSING else as_uint(offset)
        if size is MISSING:
            raise invalid("Shared memory register request has no 'byte_size' field")
        shared.register(region, key, offset, as_uint(size))
        exchange.answer(200, JSON)

    def system_unregister(self, exchange: Exchange, region: str) -> None:
        if region:
            self._on.unregister(region)
        else:
            self._on.unregister_all()
        exchange.answer(200, JSON)

    def cuda_status(self, exchange: Exchange, region: str) -> None:
        if region:
            raise ServeError(Code.NOT_FOUND, f"Unable to find cuda shared memory region: '{region}'")
        exchange.answer_json([])

    def cuda_register(self, exchange: Exchange, region: str) -> None:
        if not region:
            raise invalid("'region name' is necessary to register cuda shared memory region")
        body = parse_json(exchange.body)
        handle = find(body, "raw_handle")
        if handle is MISSING:
            raise invalid("Shared memory register request has no 'raw_handle' field")
        raw = as_string(member(handle, "b64"))
        as_uint(member(body, "byte_size"))
        as_uint(member(body, "device_id"))
        if len(decode_base64(raw)) != _CUDA_HANDLE_BYTES:
            raise invalid("'raw_handle' must be a valid base64 encoded cudaIpcMemHandle_t")
        raise invalid("failed to register shared memory region: invalid args")

    def cuda_unregister(self, exchange: Exchange, region: str) -> None:
        exchange.answer(200, JSON)

    @property
    def _on(self) -> SharedMemory:
        if self._shared is None:
            raise shared_memory_is_off()
        return self._shared
