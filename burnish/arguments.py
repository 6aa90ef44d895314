"""Check the arguments that callers pass to the functions of the package. A value of an unknown kind is refused.

Sizes and shapes may be texts in the form of the command line. The command line reads them with the same functions.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from typing import Any

from burnish.errors import UserError

Shape = tuple[int, ...]

MOST = (1 << 63) - 1  # the largest number that a plan can hold
_UNITS = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"\s*(?P<number>\d{1,18}(?:\.\d{1,18})?)\s*(?P<unit>[KMGT]?)(?:i?B)?\s*", re.IGNORECASE | re.ASCII)
_DIMS = re.compile(r"\d{1,19}(?:x\d{1,19})*", re.ASCII)


def expect(name: str, value: object, kinds: type | tuple[type, ...], words: str) -> None:
    """E605 unless `value` is of one of these kinds, which `words` name."""
    if not isinstance(value, kinds):
        raise wrong_kind(name, value, words)


def whole_number(name: str, value: Any, least: int = 0, most: int = MOST) -> int:
    """An int, or a numpy integer. E605 for any other value, and for one outside least .. most."""
    words = f"a whole number, {least} or larger" if most == MOST else f"a whole number from {least} to {most}"
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise wrong_kind(name, value, words)
    try:
        found = operator.index(value)
    except TypeError:  # an array of numpy has the method, and refuses it
        raise wrong_kind(name, value, words) from None
    if not least <= found <= most:
        raise wrong_kind(name, value, words)
    return found


def number(name: str, value: Any, least: float = 0.0) -> float:
    """A float that is not NaN, or another real number. E605 for any other value, and for one below least."""
    words = f"a number, {least:g} or larger"
    if isinstance(value, bool | str | bytes):
        raise wrong_kind(name, value, words)
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise wrong_kind(name, value, words) from None
    if not found >= least:
        raise wrong_kind(name, value, words)
    return found


def flag(name: str, value: Any) -> bool:
    """True or False, also as a numpy bool. E605 for any other value, because "no" would count as true."""
    if not isinstance(value, bool) and type(value).__name__ != "bool_" and type(value).__name__ != "bool":
        raise wrong_kind(name, value, "True or False")
    return bool(value)


def expect_function(name: str, value: object, example: str) -> None:
    """E605 unless it can be called."""
    if not callable(value):
        raise wrong_kind(name, value, f"a function, as in {example}")


def expect_mapping(name: str, value: object, example: str) -> None:
    """E605 unless it is a mapping whose keys are names."""
    if not isinstance(value, Mapping):
        raise wrong_kind(name, value, f"a mapping by name, as in {example}")


def wrong_kind(name: str, value: object, words: str) -> UserError:
    """The error for a value of the wrong kind, for callers that test the value themselves."""
    shown = repr(value) if isinstance(value, str | int | float | None) else f"of type {type(value).__name__}"
    return UserError("E605", f"{name} is {shown[:80]}", why=f"it must be {words}", hint="give that, or leave it out")


def parse_shape(value: Any, where: str) -> Shape:
    """(1, 3, 224, 224), any sequence of whole numbers, or the command line's `1x3x224x224` and `scalar`. E602."""
    if isinstance(value, str):
        text = value.strip()
        if text == "scalar":
            return ()
        if not _DIMS.fullmatch(text):
            raise _no_shape(value, where)
        value = [int(n) for n in text.split("x")]
    try:
        found = tuple(operator.index(n) for n in value if not isinstance(n, bool))
        whole = len(found) == len(value)
    except TypeError:
        raise _no_shape(value, where) from None
    if not whole or any(not 0 <= n <= MOST for n in found):
        raise _no_shape(value, where)
    return found


def parse_batch(value: Any) -> tuple[int, int, int]:
    """(min, opt, max) of a batch, or the command line's `1:4:8`. E613."""
    try:
        parts = [int(n) for n in value.split(":")] if isinstance(value, str) else [operator.index(n) for n in value]
        low, usual, high = parts
    except (TypeError, ValueError):
        low, usual, high = 1, 0, 0  # what no range is
    if not 0 <= low <= usual <= high <= MOST:
        raise UserError(
            "E613",
            f"the batch range {value!r} makes no sense",
            why="it must be three whole numbers, min <= opt <= max",
            hint="--batch 1:4:8, or batch=(1, 4, 8)",
        )
    return low, usual, high


def parse_size(value: Any, option: str, unit: str = "") -> int:
    """Bytes, from a whole number or a text: `1GiB`, `512M`, `0.5g`; a bare number in a text is in `unit`. E614."""
    if not isinstance(value, str):
        try:
            return whole_number(option, value)
        except UserError:
            raise _no_size(value, option) from None
    match = _SIZE.fullmatch(value)
    if match is None:
        raise _no_size(value, option)
    bare = match["unit"] or ("" if value.strip()[-1] in "bB" else unit)
    return int(float(match["number"]) * _UNITS[bare.upper()])


def _no_size(value: object, option: str) -> UserError:
    return UserError(
        "E614", f"{option} {value!r:.80} is not a size", hint=f"{option} 1GiB, 512MiB or a number of bytes"
    )


def _no_shape(value: object, where: str) -> UserError:
    return UserError(
        "E602",
        f"{value!r:.120} is not a shape",
        where=where,
        why="a shape is a whole number, 0 or larger, for each axis",
        hint='(1, 3, 224, 224) or "1x3x224x224"; () or "scalar" for a scalar',
    )
