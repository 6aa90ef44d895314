"""The words and offsets were asked of a real Triton 2.51."""

from __future__ import annotations

import pytest

from burnish.serve.http.text import fault
from burnish.serve.http.text.fault import find_fault


@pytest.mark.parametrize(
    ("text", "what", "at"),
    [
        (b"", fault.EMPTY, 0),
        (b"  \n", fault.EMPTY, 3),
        (b"{", fault.NAME, 1),
        (b"{'a':1}", fault.NAME, 1),
        (b'{"a":1,}', fault.NAME, 7),
        (b'{"a"', fault.COLON, 4),
        (b'{"a" 1}', fault.COLON, 5),
        (b'{"a":', fault.VALUE, 5),
        (b"[1,]", fault.VALUE, 3),
        (b"nulx", fault.VALUE, 3),
        (b"tRue", fault.VALUE, 1),
        (b"+1", fault.VALUE, 0),
        (b"Infin", fault.VALUE, 5),
        (b"NIaN", fault.VALUE, 2),
        (b"/*x*/{}", fault.VALUE, 0),
        (b'{"a":1', fault.MEMBER_END, 6),
        (b"[1 2]", fault.ELEMENT_END, 3),
        (b'{"a":{"b":[1,2,{"c":nul}]}}', fault.VALUE, 23),
        (b'"abc', fault.QUOTE, 4),
        (b'{"a\0":1}', fault.QUOTE, 3),
        (b'"a\x01b"', fault.ESCAPE, 2),
        (b'"a\\x"', fault.ESCAPE, 2),
        (b'"\\u12"', fault.HEX, 1),
        (b'"\\ud800"', fault.SURROGATE, 1),
        (b'"\\ud800\\u0041"', fault.SURROGATE, 1),
        (b"1.x", fault.FRACTION, 2),
        (b"[-Infinity.1]", "", 13),
        (b"[-Infinity.x]", fault.FRACTION, 11),
        (b"1e+", fault.EXPONENT, 3),
        (b"1e309", fault.TOO_BIG, 0),
        (b"1" * 400, fault.TOO_BIG, 0),
        (b"{}x", fault.NOT_SINGULAR, 2),
        (b"01", fault.NOT_SINGULAR, 1),
    ],
)
def test_the_first_fault_is_told_with_its_place(text: bytes, what: str, at: int) -> None:
    assert find_fault(text) == ((f"{what} at {at}", 0) if what else ("", at))


@pytest.mark.parametrize("text", [b'{"a":[NaN,-Infinity,Inf],"b":"\xff\\udc00"}', b"\xef\xbb\xbf{}", b" [[[]],{}] "])
def test_what_rapidjson_takes_has_no_fault(text: bytes) -> None:
    assert find_fault(text) == ("", len(text))


def test_a_nul_ends_the_text() -> None:
    assert find_fault(b"{}\0\x80?") == ("", 2)


def test_nesting_costs_no_stack() -> None:
    assert find_fault(b"[" * 100_000)[0].startswith(fault.VALUE)
