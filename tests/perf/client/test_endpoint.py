"""Addresses of servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from burnish.errors import UserError
from burnish.perf.client.endpoint import parse_url
from burnish.perf.options import Tls


@pytest.mark.parametrize(
    ("text", "protocol", "authority", "is_secure", "path"),
    [
        ("", "http", "localhost:8000", False, ""),
        ("", "grpc", "localhost:8001", False, ""),
        ("host:9", "http", "host:9", False, ""),
        ("https://host", "http", "host:8000", True, ""),
        ("http://host:80/serving/", "http", "host:80", False, "/serving"),
        ("grpcs://host:443", "grpc", "host:443", True, ""),
        ("[::1]:8000", "http", "[::1]:8000", False, ""),
    ],
)
def test_addresses_are_read(text: str, protocol: str, authority: str, is_secure: bool, path: str) -> None:
    found = parse_url(text, protocol)  # type: ignore[arg-type]
    assert (found.authority, found.is_secure, found.path) == (authority, is_secure, path)


@pytest.mark.parametrize("text", ["ftp://host", "grpc://host", "host:port", "host:99999", "::1:8000", "a b:://"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="E681"):
        parse_url(text, "http")


def test_files_that_are_no_certificates_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none")
    for ca in (str(tmp_path / "ca.pem"), str(tmp_path / "missing")):
        with pytest.raises(UserError, match="E681"):
            parse_url("https://host", "http", Tls(ca)).context()
    assert parse_url("host", "http").context() is None
