"""Who may go where: API keys with roles, and what Triton's restricted APIs want as a header.

anybody   health
infer     and: metadata, statistics, model configurations, inference, shared memory (if the server has it)
admin     everything: also the model repository, trace and log settings
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Iterable, Mapping

from burnish.serve.app.keys import ADMIN, Keys
from burnish.serve.status import Code, ServeError

OPEN = "health"
OF_INFER = frozenset({"metadata", "statistics", "model-config", "inference", "shared-memory"})
READ_ONLY = frozenset({"metadata", "statistics"})  # where a browser may use a key as its password
Restricted = Mapping[str, tuple[str, str]]  # area -> (header, value)
Check = Callable[[str, Mapping[bytes, bytes]], ServeError | None]


def http_guard(keys: Keys | None, restricted: Restricted) -> Check | None:
    """None if everybody may go everywhere."""
    wanted = _wanted(restricted)
    if keys is None and not wanted:
        return None

    def check(area: str, headers: Mapping[bytes, bytes]) -> ServeError | None:
        pair = wanted.get(area)
        if pair is not None and not _same(headers.get(pair[0]), pair[1]):
            return ServeError(
                Code.PERMISSION_DENIED, f"This API is restricted, expecting header '{restricted[area][0]}'"
            )
        return _refusal(keys, area, headers)

    return check


def grpc_guard(
    keys: Keys | None, restricted: Restricted
) -> Callable[[str, Iterable[tuple[str, str | bytes]]], ServeError | None] | None:
    """The same over a call's metadata. Triton answers UNAVAILABLE here."""
    wanted = _wanted(restricted)
    if keys is None and not wanted:
        return None

    def check(area: str, metadata: Iterable[tuple[str, str | bytes]]) -> ServeError | None:
        headers = {_bytes(name).lower(): _bytes(value) for name, value in metadata}
        pair = wanted.get(area)
        if pair is not None and not _same(headers.get(pair[0]), pair[1]):
            return ServeError(
                Code.UNAVAILABLE, f"This protocol is restricted, expecting header '{restricted[area][0]}'"
            )
        return _refusal(keys, area, headers)

    return check


def _refusal(keys: Keys | None, area: str, headers: Mapping[bytes, bytes]) -> ServeError | None:
    if keys is None or area == OPEN:
        return None
    key = _key(headers, area in READ_ONLY)
    if key is None:
        return ServeError(Code.UNAUTHENTICATED, "an API key is needed: 'Authorization: Bearer KEY' or 'x-api-key: KEY'")
    role = keys.role(key)
    if role is None:
        return ServeError(Code.UNAUTHENTICATED, "this API key is not known")
    if role != ADMIN and area not in OF_INFER:
        return ServeError(Code.PERMISSION_DENIED, f"{area} needs the role {ADMIN}, and this API key has {role}")
    return None


def _key(headers: Mapping[bytes, bytes], may_be_password: bool) -> bytes | None:
    given = headers.get(b"authorization")
    if given is not None:
        scheme, _, value = given.strip().partition(b" ")
        if scheme.lower() == b"bearer":
            return value.strip()
        # A browser sends a password with every request, also with one that another page makes it send: only to look.
        if scheme.lower() == b"basic" and may_be_password:
            try:
                return base64.b64decode(value, validate=True).partition(b":")[2]
            except binascii.Error:
                return None
    key = headers.get(b"x-api-key")
    return key.strip() if key is not None else None


def _wanted(restricted: Restricted) -> dict[str, tuple[bytes, bytes]]:
    return {area: (name.lower().encode(), value.encode()) for area, (name, value) in restricted.items()}


def _same(given: bytes | None, wanted: bytes) -> bool:
    return given is not None and hmac.compare_digest(given, wanted)


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
