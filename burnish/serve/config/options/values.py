"""The texts that stand in Burnish's own parameters: numbers, sizes, axes, and lists of `this = that`.

Every reader takes the parameter's key and its text, and refuses what it cannot read with both and an example.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from burnish.arguments import parse_size
from burnish.errors import UserError
from burnish.serve.config.refusal import ConfigError

_NAME = r"(?:'(?P<quoted>[^']+)'|(?P<plain>[^'\[\],;=\s](?:[^'\[\],;=]*[^'\[\],;=\s])?))"
_AXIS = re.compile(rf"\s*{_NAME}\s*\[\s*(?P<axis>\d{{1,3}})\s*\]\s*")
_NAMED = re.compile(rf"\s*{_NAME}\s*=\s*(?P<value>.+?)\s*", re.DOTALL)
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
LARGEST = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Axis:
    """One size of a tensor; axes are counted as in `dims`, without the batch."""

    tensor: str
    axis: int

    def __str__(self) -> str:
        return f"{self.tensor}[{self.axis}]"


def refuse(key: str, text: str, expected: str) -> NoReturn:
    raise ConfigError(f"parameter '{key}' is '{text[:80]}'; {expected}")


def whole(key: str, text: str, least: int, most: int = LARGEST) -> int:
    if not _NUMBER.fullmatch(text.strip()) or not least <= int(text) <= most:
        refuse(key, text, f"a whole number from {least} to {most} is expected")
    return int(text)


def number(key: str, text: str) -> float:
    """A number that is not negative, or a percentage."""
    plain = text.strip()
    try:
        found = float(plain.removesuffix("%")) / (100 if plain.endswith("%") else 1)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        refuse(key, text, "a number that is not negative is expected, as 0.25 or 25%")
    return found


def share(key: str, text: str) -> float:
    found = number(key, text)
    if not 0 < found <= 1:
        refuse(key, text, "a part of the whole is expected, as 0.25 or 25%")
    return found


def size_bytes(key: str, text: str) -> int:
    try:
        return parse_size(text, key)
    except UserError:
        refuse(key, text, "a size is expected, as 512MiB, 1GiB or a number of bytes")


def flag(key: str, text: str) -> bool:
    if text.strip().lower() not in ("true", "false"):
        refuse(key, text, "true or false is expected")
    return text.strip().lower() == "true"


def one_of(key: str, text: str, choices: tuple[str, ...]) -> str:
    if text.strip() not in choices:
        refuse(key, text, f"one of {', '.join(choices)} is expected")
    return text.strip()


def sizes(key: str, text: str) -> tuple[int, ...]:
    """Ascending whole numbers from 1 on, with commas or spaces between them: `16, 32, 64`."""
    found = [whole(key, item, 1) for item in text.replace(",", " ").split()]
    if not found or sorted(set(found)) != found:
        refuse(key, text, "sizes in ascending order are expected, as 16, 32, 64")
    return tuple(found)


def axes(key: str, text: str) -> tuple[Axis, ...]:
    """`ids[0], mask[0]`. A name that holds one of []=,; stands in single quotes."""
    found, end = [], 0
    while match := _AXIS.match(text, end):
        found.append(Axis(match["quoted"] or match["plain"], int(match["axis"])))
        end = match.end()
        if end == len(text):
            return tuple(found)
        if text[end] != ",":
            break
        end += 1
    refuse(key, text, "axes of tensors are expected, as ids[0], mask[0]")


def pairs(key: str, text: str, example: str) -> list[tuple[str, str]]:
    """Entries `left = right` with semicolons or line breaks between them. The first `=` outside of quotes divides."""
    found = []
    for entry in re.split(r"[;\n]", text):
        if not entry.strip():
            continue
        divided = re.fullmatch(r"\s*((?:'[^']*'|[^'=])+?)\s*=\s*(.+?)\s*", entry, re.DOTALL)
        if divided is None:
            refuse(key, entry.strip(), f"entries like {example} are expected")
        found.append((divided[1], divided[2]))
    if not found:
        refuse(key, text, f"entries like {example} are expected")
    return found


def weights(key: str, text: str) -> Mapping[int, float]:
    """`1 = 95, 2 = 5`: a weight for each version."""
    found: dict[int, float] = {}
    for left, right in pairs(key, text.replace(",", ";"), "1 = 95, 2 = 5"):
        version = whole(key, left, 0, (1 << 63) - 1)
        if version in found:
            refuse(key, text, f"version {version} is named twice")
        found[version] = number(key, right)
    if not sum(found.values()):
        refuse(key, text, "a weight above 0 is expected")
    return found


def pad_values(key: str, text: str) -> Mapping[str, bool | int | float | bytes]:
    """`ids = 0; mask = false; text = 'none'`: what fills up each input."""
    found: dict[str, bool | int | float | bytes] = {}
    for left, right in pairs(key, text, "ids = 0; text = 'none'"):
        name = left[1:-1] if left.startswith("'") else left
        if name in found:
            refuse(key, text, f"'{name}' is named twice")
        found[name] = _pad_value(key, right)
    return found


def _pad_value(key: str, text: str) -> bool | int | float | bytes:
    if text[0] == text[-1] == "'" and len(text) > 1:
        return text[1:-1].encode()
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text) if re.fullmatch(r"[+-]?\d{1,20}", text) else float(text)
    except ValueError:
        refuse(key, text, "a number, true, false or a text in single quotes is expected")
