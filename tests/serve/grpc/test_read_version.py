from __future__ import annotations

import pytest

from burnish.serve.grpc.read_version import read_version
from burnish.serve.request import NEWEST
from burnish.serve.status import Code, ServeError


@pytest.mark.parametrize(
    ("text", "number"), [("", NEWEST), ("1", 1), ("01", 1), ("1x", 1), (" 1", 1), ("0", 0), ("+7", 7)]
)
def test_a_version_is_the_number_that_the_text_begins_with(text: str, number: int) -> None:
    assert read_version(text) == number


@pytest.mark.parametrize("text", ["x", " ", "-", "9223372036854775808", "-9223372036854775809"])
def test_what_is_no_number_is_refused_as_triton_does(text: str) -> None:
    with pytest.raises(ServeError) as refused:
        read_version(text)
    assert refused.value.code == Code.INVALID_ARG
    assert refused.value.message == (
        f"failed to get model version from specified version string '{text}' (details: stol), "
        "version should be an integral value > 0"
    )


def test_a_version_below_zero_is_refused() -> None:
    with pytest.raises(ServeError, match="invalid model version specified '-1' , version should be an integral"):
        read_version("-1")
