"""precision_flags.py: the flags of a precision, as arguments of a build."""

from __future__ import annotations

from typing import Any

import pytest

from burnish.cli.calibration.precision_flags import Wanted
from burnish.errors import UserError


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        ({}, "fp32"),
        ({"fp16": True}, "fp16"),
        ({"int8": True}, "int8"),
        ({"fp8": True, "bf16": True}, "fp8+bf16"),
        ({"named": "fp8"}, "fp8"),
        ({"named": "fp8+fp16", "fp8": True}, "fp8+fp16"),
        ({"named": "fp16", "int8": True}, "int8+fp16"),
        ({"fp16": True, "best": True}, "int8+fp16"),  # a CPU has no products of float8
        ({"fp16": True, "best": True, "fp8": True}, "fp8+fp16"),
        ({"int8": True, "fp8": True}, "int8"),
    ],
)
def test_flags_and_the_word_that_they_mean(flags: dict[str, Any], word: str) -> None:
    assert Wanted(**{"named": None, "config": None, **flags}).arguments(None)["precision"] == word


def test_on_a_gpu_with_float8_best_gives_matrices_to_it() -> None:
    found = Wanted(None, None, fp16=True, best=True).arguments(["cuda:sm_90a"])
    assert found["precision_config"]["layers"] == [{"operators": ["MatMul", "Gemm"], "precision": "fp8+fp16"}]


def test_two_floats_exclude_each_other() -> None:
    with pytest.raises(UserError, match="--fp16 and --bf16 exclude each other"):
        Wanted(None, None, fp16=True, bf16=True).arguments(None)
