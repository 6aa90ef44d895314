"""The words for a precision: codes, a float, or both, as in `fp8+fp16`, which computes in f16 what multiplies no codes.

Imports nothing: the help of commands reads it.
"""

from __future__ import annotations

INT8, FP8 = "int8", "fp8"
KINDS = (INT8, FP8)


def kind_of(word: str) -> str:
    """The codes of a precision such as int8+fp16; empty if it is a float alone."""
    first = word.partition("+")[0]
    return first if first in KINDS else ""


def float_of(word: str) -> str:
    """The float of a precision such as int8+fp16; fp32 if it names none."""
    return word.removeprefix(kind_of(word)).removeprefix("+") or "fp32"


def joined(kind: str, values: str) -> str:
    """The precision that `kind_of` and `float_of` read."""
    return values if not kind else kind if values == "fp32" else f"{kind}+{values}"
