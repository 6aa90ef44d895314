"""Names that TensorRT has and Burnish has not say so, with a code, and answer hasattr() as scripts expect."""

from __future__ import annotations

import pytest

import burnish.tensorrt as trt
from burnish.errors import UserError
from burnish.tensorrt.missing import INSTEAD


@pytest.mark.parametrize("name", [*INSTEAD, "NoSuchThing"])
def test_a_missing_name_says_what_to_use(name: str) -> None:
    with pytest.raises(UserError, match=f"E650.*'{name}'"):
        getattr(trt, name)
    assert not hasattr(trt, name)
    assert getattr(trt, name, None) is None


def test_scripts_can_ask_for_the_version() -> None:
    major, minor, patch = (int(n) for n in trt.__version__.split("."))
    assert (major, minor >= 0, patch >= 0) == (10, True, True)
