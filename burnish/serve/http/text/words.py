"""Values out of a request's JSON, and the words in which Triton refuses those of another type."""

from __future__ import annotations

from typing import Any, Final

from burnish.serve.status import Code, ServeError

MISSING: Final = object()
_UINT64, _INT64 = 1 << 64, 1 << 63


def fault(message: str, what: str = "") -> ServeError:
    """Faults of JSON's form are the server's in Triton's eyes: 500. what: what was being read, told first."""
    return ServeError(Code.INTERNAL, f"{what}: {message}" if what else message)


def find(value: Any, key: str) -> Any:
    """A member; MISSING if there is none, or if this is no object."""
    return value.get(key, MISSING) if type(value) is dict else MISSING


def member(value: Any, key: str, what: str = "") -> Any:
    found = find(value, key)
    if found is MISSING:
        raise fault(f"attempt to access non-existing object member '{key}'", what)
    return found


def members(value: Any, what: str = "") -> dict[str, Any]:
    if type(value) is not dict:
        raise fault("attempt to get members for non-object", what)
    return value


def as_string(value: Any, what: str = "") -> str:
    if type(value) is not str:
        raise fault("attempt to access JSON non-string as string", what)
    return value.partition("\0")[0] if "\0" in value else value  # in Triton it ends there


def as_bool(value: Any, what: str = "") -> bool:
    if type(value) is not bool:
        raise fault("attempt to access JSON non-boolean as boolean", what)
    return value


def is_uint(value: Any) -> bool:
    return type(value) is int and 0 <= value < _UINT64


def is_int(value: Any) -> bool:
    return type(value) is int and -_INT64 <= value < _INT64


def as_uint(value: Any, what: str = "") -> int:
    if not is_uint(value):
        raise fault("attempt to access JSON non-unsigned-integer as unsigned-integer", what)
    return int(value)


def as_array(value: Any, what: str = "") -> list[Any]:
    if type(value) is not list:
        raise fault("attempt to access JSON non-array as array", what)
    return value


def as_object(value: Any, what: str = "") -> dict[str, Any]:
    if type(value) is not dict:
        raise fault("attempt to access JSON non-object as object", what)
    return value
