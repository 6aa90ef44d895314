"""Texts that are no UTF-8 go back as they came."""

import orjson
import pytest

from burnish.serve.http.text.parse import parse_json
from burnish.serve.http.text.strings import bytes_of_text, quoted, writable


@pytest.mark.parametrize("raw", [b"caf\xe9", b"\xc0\x80", b"\xe2\x82", "\u00e9\u2713".encode(), b"plain"])
def test_a_text_is_written_with_the_bytes_that_it_was_read_from(raw: bytes) -> None:
    text = parse_json(b'["%b"]' % raw)[0]
    assert bytes_of_text(text) == raw
    assert orjson.dumps([writable(text)]) == b'["%b"]' % raw


def test_half_a_surrogate_pair_is_three_bytes() -> None:
    assert bytes_of_text(parse_json(rb'["\udc00"]')[0]) == b"\xed\xb0\x80"


def test_what_json_needs_escaped_is_escaped() -> None:
    assert quoted(b'"\\\n\xff') == b'"\\"\\\\\\n\xff"'
