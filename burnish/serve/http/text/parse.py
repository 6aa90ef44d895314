"""A request's JSON, as rapidjson takes it: NaN and Infinity are numbers, and what is no JSON is told in its words."""

from __future__ import annotations

import json
from typing import Any

import orjson

from burnish.serve.http.text.fault import find_fault
from burnish.serve.status import Code, ServeError

# A fault's wording takes a walk over the text in Python; longer texts get the place alone.
_WORDED_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"


def parse_json(data: bytes | memoryview) -> Any:
    """raises: ServeError INTERNAL, as Triton answers what it cannot parse

    Strings whose bytes are not UTF-8 come with surrogates in their place (`strings.py` takes them out again).
    """
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return _parse_odd(bytes(data), error.pos)
    members, text = _count_members(document), bytes(data)
    if text.count(b'":') != members and text.count(b":") != members:  # a name given twice, or a colon in a text
        return _parse_slowly(text.decode())
    return document


def _count_members(document: Any) -> int:
    """Of all objects; those that lie in a list behind something else are left out."""
    count, found = 0, [document]
    while found:
        value = found.pop()
        if type(value) is dict:
            count += len(value)
            found += [v for v in value.values() if type(v) in (dict, list)]
        elif value and type(value) is list and type(value[0]) is dict:
            found += value
    return count


def _parse_slowly(text: str) -> Any:
    """Of several members of one name the first counts, as in Triton; orjson takes the last."""
    try:
        return json.loads(text, object_pairs_hook=_first)
    except RecursionError:
        raise _refusal("The document is nested too deeply.") from None


def _first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        members.setdefault(name, value)
    return members


def _parse_odd(data: bytes, place: int) -> Any:
    """NaN, Infinity, bytes that are no UTF-8, a byte order mark, a NUL after the end; else a fault."""
    if len(data) <= _WORDED_BYTES:
        fault, end = find_fault(data)
        if fault:
            raise _refusal(fault)
        data = data[:end]
    else:
        data = data.split(b"\0", 1)[0]
    try:
        return _parse_slowly(_spelled(data.removeprefix(_BOM).decode("utf-8", "surrogateescape")))
    except json.JSONDecodeError as error:
        raise _refusal(f"Invalid value. at {error.pos or place}") from None


def _spelled(text: str) -> str:
    """rapidjson also takes Inf and -NaN, which Python does not."""
    if "Inf" not in text and "-NaN" not in text:
        return text
    parts = text.split('"')  # outside of strings nothing but a number may begin with Inf
    is_string, out = False, []
    for part in parts:
        if not is_string:
            part = part.replace("Infinity", "Inf").replace("Inf", "Infinity").replace("-NaN", "NaN")
        out.append(part)
        is_string = not is_string or (len(part) - len(part.rstrip("\\"))) % 2 == 1
    return '"'.join(out)


def _refusal(fault: str) -> ServeError:
    return ServeError(Code.INTERNAL, f"failed to parse the request JSON buffer: {fault}")
