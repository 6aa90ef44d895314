"""Texts between a request's bytes and an answer's: Triton sends back what it got, be it UTF-8 or not."""

from __future__ import annotations

import json

import orjson


def bytes_of_text(text: str) -> bytes:
    """The bytes that a text came from; those that are no UTF-8 stand in it as surrogates."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def quoted(raw: bytes) -> bytes:
    """A JSON string of exactly these bytes."""
    return json.dumps(raw.decode("latin-1"), ensure_ascii=False).encode("latin-1")


def writable(text: str) -> str | orjson.Fragment:
    """The text in a form that orjson writes, which takes no surrogates."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return orjson.Fragment(quoted(bytes_of_text(text)))
    return text
