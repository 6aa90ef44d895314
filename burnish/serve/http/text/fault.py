"""Why a text is no JSON, in rapidjson's words and with its offset: the client sees what Triton would have said.

Triton's parser reads from left to right and stops at the first fault; a NUL outside of a string ends the text.
"""

from __future__ import annotations

import re

_SPACE = re.compile(rb"[ \t\r\n]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_DIGITS = re.compile(rb"[0-9]*")
_HEX = re.compile(rb"[0-9A-Fa-f]{4}")
_LITERALS = {0x6E: b"null", 0x74: b"true", 0x66: b"false"}
_LARGEST_EXPONENT = 308

EMPTY = "The document is empty."
NOT_SINGULAR = "The document root must not be followed by other values."
VALUE = "Invalid value."
NAME = "Missing a name for object member."
COLON = "Missing a colon after a name of object member."
MEMBER_END = "Missing a comma or '}' after an object member."
ELEMENT_END = "Missing a comma or ']' after an array element."
HEX = "Incorrect hex digit after \\u escape in string."
SURROGATE = "The surrogate pair in string is invalid."
ESCAPE = "Invalid escape character in string."
QUOTE = "Missing a closing quotation mark in string."
TOO_BIG = "Number too big to be stored in double."
FRACTION = "Miss fraction part in number."
EXPONENT = "Miss exponent in number."


class _Fault(Exception):
    def __init__(self, what: str, at: int) -> None:
        super().__init__(what)
        self.what, self.at = what, at


def find_fault(data: bytes) -> tuple[str, int]:
    """The fault ("" for none) and where the text ends."""
    try:
        return "", _document(data + b"\0")
    except _Fault as fault:
        return f"{fault.what} at {fault.at}", 0


def _space(data: bytes, at: int) -> int:
    match = _SPACE.match(data, at)
    assert match is not None
    return match.end()


def _document(data: bytes) -> int:
    start = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    at = _space(data, start)
    if data[at] == 0:
        raise _Fault(EMPTY, at)
    open_: list[int] = []  # the brackets around the value that comes next
    while True:
        at = _value(data, at, open_)
        while open_:  # after a value: the end of what it lies in, or the next one
            at = _space(data, at)
            if data[at] == open_[-1]:
                open_.pop()
                at += 1
                continue
            is_object = open_[-1] == 0x7D
            if data[at] != 0x2C:
                raise _Fault(MEMBER_END if is_object else ELEMENT_END, at)
            at = _space(data, at + 1)
            if is_object:
                at = _name(data, at)
            break
        else:
            break
    at = _space(data, at)
    if data[at] != 0:
        raise _Fault(NOT_SINGULAR, at)
    return at


def _value(data: bytes, at: int, open_: list[int]) -> int:
    """Past one value that is not a container with something inside: into such a one it goes on."""
    while True:
        byte = data[at]
        if byte == 0x22:
            return _string(data, at + 1)
        if byte in (0x7B, 0x5B):
            end = 0x7D if byte == 0x7B else 0x5D
            at = _space(data, at + 1)
            if data[at] == end:
                return at + 1
            open_.append(end)
            if byte == 0x7B:
                at = _name(data, at)
            continue
        if byte in _LITERALS:
            return _word(data, at, _LITERALS[byte], 1)
        return _number(data, at)


def _name(data: bytes, at: int) -> int:
    if data[at] != 0x22:
        raise _Fault(NAME, at)
    at = _space(data, _string(data, at + 1))
    if data[at] != 0x3A:
        raise _Fault(COLON, at)
    return _space(data, at + 1)


def _word(data: bytes, at: int, word: bytes, known: int) -> int:
    for place in range(known, len(word)):
        if data[at + place] != word[place]:
            raise _Fault(VALUE, at + place)
    return at + len(word)


def _string(data: bytes, at: int) -> int:
    """Past the string whose first character stands here. A NUL is the text's end, even the one that a client sent."""
    while True:
        match = _PLAIN.match(data, at)
        assert match is not None
        at = match.end()
        byte = data[at]
        if byte == 0x22:
            return at + 1
        if byte == 0x5C:
            at = _escape(data, at)
        else:
            raise _Fault(ESCAPE if byte else QUOTE, at)


def _escape(data: bytes, at: int) -> int:
    if data[at + 1] in b'"/\\bfnrt':
        return at + 2
    if data[at + 1] != 0x75:
        raise _Fault(ESCAPE, at)
    first = _hex(data, at + 2, at)
    if not 0xD800 <= first <= 0xDBFF:
        return at + 6
    if data[at + 6 : at + 8] != b"\\u" or not 0xDC00 <= _hex(data, at + 8, at) <= 0xDFFF:
        raise _Fault(SURROGATE, at)
    return at + 12


def _hex(data: bytes, at: int, escape: int) -> int:
    match = _HEX.match(data, at)
    if match is None:
        raise _Fault(HEX, escape)
    return int(match.group(), 16)


def _number(data: bytes, at: int) -> int:
    start = at
    at += data[at] == 0x2D
    if data[at] == 0x30:
        at += 1
    elif 0x31 <= data[at] <= 0x39:
        at = _digits(data, at)
        if at - start > _LARGEST_EXPONENT and float(data[start:at]) in (float("inf"), float("-inf")):
            raise _Fault(TOO_BIG, start)
    elif data[at] in b"NI":
        at = _not_finite(data, at)
    else:
        raise _Fault(VALUE, at)
    fraction = 0
    if data[at] == 0x2E:
        end = _digits(data, at + 1)
        if end == at + 1:
            raise _Fault(FRACTION, end)
        fraction, at = end - at - 1, end
    if data[at] in b"eE":
        at = _exponent(data, at + 1, start, fraction)
    return at


def _not_finite(data: bytes, at: int) -> int:
    """NaN, Inf, Infinity. What breaks off after an N may still go on as Inf."""
    for letter in b"NaN":
        if data[at] != letter:
            break
        at += 1
    else:
        return at
    at = _word(data, at, b"Inf", 0)
    return _word(data, at, b"inity", 1) if data[at] == 0x69 else at


def _exponent(data: bytes, at: int, start: int, fraction: int) -> int:
    is_negative = data[at] == 0x2D
    at += data[at] in b"+-"
    end = _digits(data, at)
    if end == at:
        raise _Fault(EXPONENT, end)
    if not is_negative and int(data[at:end][:20]) > _LARGEST_EXPONENT + fraction:
        raise _Fault(TOO_BIG, start)
    return end


def _digits(data: bytes, at: int) -> int:
    match = _DIGITS.match(data, at)
    assert match is not None
    return match.end()
