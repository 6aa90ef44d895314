"""What a client may do if nothing else is said."""

from __future__ import annotations

import pytest

from tests.serve.http.asking import ask


@pytest.mark.parametrize(("size", "status"), [(60_000, 200), (70_000, 431)])
def test_headers_have_64_kib(size: int, status: int) -> None:
    assert ask("GET", "/v2", b"", "X: " + "y" * size).status == status


def test_a_body_of_some_megabytes_is_nothing_unusual() -> None:
    assert ask("POST", "/v2/models/bytes/infer", bytes(20 << 20), "Inference-Header-Content-Length: 0").status == 200
