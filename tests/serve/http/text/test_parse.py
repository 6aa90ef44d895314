"""JSON as Triton takes it."""

from __future__ import annotations

import math

import pytest

from burnish.serve.http.text.parse import parse_json
from burnish.serve.http.text.strings import bytes_of_text
from burnish.serve.status import Code, ServeError


def test_numbers_that_are_none_are_numbers() -> None:
    found = parse_json(b'{"a": [NaN, -NaN, Infinity, -Infinity, Inf, -Inf, 1], "Inf": "Inf -NaN \\" Inf"}')
    assert [math.isnan(v) for v in found["a"]] == [True, True, False, False, False, False, False]
    assert found["a"][2:] == [math.inf, -math.inf, math.inf, -math.inf, 1]
    assert found["Inf"] == 'Inf -NaN " Inf'


def test_strings_keep_bytes_that_are_no_utf_8() -> None:
    found = parse_json(b'["\xff\x00\xc3\xa9"]'.replace(b"\x00", b"z"))
    assert bytes_of_text(found[0]) == b"\xffz\xc3\xa9"
    assert bytes_of_text(parse_json(b'["\xff","\\udc00"]')[1]) == b"\xed\xb0\x80"


def test_what_follows_a_nul_is_not_looked_at() -> None:
    assert parse_json(memoryview(b'{"a": 1}\0\x80?')) == {"a": 1}
    assert parse_json(b"\xef\xbb\xbf[1]") == [1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"{", "Missing a name for object member. at 1"),
        (b"", "The document is empty. at 0"),
        (b"[" * 2000 + b"]" * 2000, "nested too deeply"),
        (b"[1.5 " + b" " * (1 << 20), "Invalid value. at "),
    ],
)
def test_what_is_no_json_is_the_servers_fault_as_for_triton(text: bytes, words: str) -> None:
    with pytest.raises(ServeError, match=words) as caught:
        parse_json(text)
    assert caught.value.code is Code.INTERNAL
    assert caught.value.message.startswith("failed to parse the request JSON buffer: ")


@pytest.mark.parametrize("text", [b'{"a": 1, "b": {"c": 2, "c": 3}, "a": 4}', b'{"a":1,"b":{"c":2,"c":NaN},"a":4}'])
def test_of_members_of_one_name_the_first_counts(text: bytes) -> None:
    assert parse_json(text) == {"a": 1, "b": {"c": 2}}


def test_colons_in_texts_and_lists_of_lists_are_no_members() -> None:
    text = b'{"inputs" : [{"name": "a:b\\":", "data": [["x:y", "\\":"], [{"k": 1}]]}, {"name" :"c"}]}'
    assert parse_json(text)["inputs"][0] == {"name": 'a:b":', "data": [["x:y", '":'], [{"k": 1}]]}
    assert list(parse_json(b'{"z":1,"a:":2,"z":3}')) == ["z", "a:"]
    deep = b'{"a":' * 900 + b"1" + b"}" * 900
    assert parse_json(deep)["a"]["a"]
