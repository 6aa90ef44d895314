"""Parse texts that people type: shapes by name, files by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from burnish.arguments import parse_shape
from burnish.errors import UserError

Shapes = dict[str, tuple[int, ...]]
Ranges = dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]

_ITEM = re.compile(r"\s*(?:'(?P<quoted>[^']+)'|(?P<name>[^,]+?)):(?P<dims>scalar|\d+(?:x\d+)*|)\s*(?:,|$)")


def parse_shapes(texts: Sequence[str], option: str = "--shapes") -> Shapes:
    """`input:1x3x224x224,other:1x128`, `'odd,name':4`, `scalar_input:scalar`; may be repeated. E602, E612."""
    found: Shapes = {}
    for text in texts:
        place = 0
        while place < len(text):
            item = _ITEM.match(text, place)
            if item is None:
                raise UserError(
                    "E612",
                    f"{option} '{text}' is not a list of shapes",
                    why=f"'{text[place:]}' is not NAME:1x3x224x224",
                    hint=f"{option} input:1x3x224x224,other:1x128   (a scalar: NAME:scalar)",
                )
            name, dims = item["quoted"] or item["name"], item["dims"]
            found[name] = parse_shape(dims or "scalar", f"{option}, input '{name}'")
            place = item.end()
    return found


def parse_ranges(low: Sequence[str], opt: Sequence[str], high: Sequence[str], names: Sequence[str]) -> Ranges:
    """min, opt and max shapes by input. A missing one takes the value of its neighbour (opt for both, as in trtexec).

    names: the three options, for messages
    raises: E612; E613 for an input with a min or a max of another rank, or with neither opt nor both
    """
    minimum, optimum, maximum = (parse_shapes(t, n) for t, n in zip((low, opt, high), names))
    ranges: Ranges = {}
    for name in {**optimum, **minimum, **maximum}:
        best = optimum.get(name, maximum.get(name, minimum.get(name, ())))
        ranges[name] = minimum.get(name, best), best, maximum.get(name, best)
        ranks = {len(shape) for shape in ranges[name]}
        if len(ranks) != 1 or not all(a <= b <= c for a, b, c in zip(*ranges[name])):
            shown = ", ".join(f"{n} {'x'.join(map(str, s)) or 'scalar'}" for n, s in zip(names, ranges[name]))
            raise UserError(
                "E613",
                f"the range of input '{name}' makes no sense",
                why=shown,
                hint="every axis needs min <= opt <= max",
            )
    return ranges


def ends_alone(low: Sequence[str], opt: Sequence[str], high: Sequence[str], names: Sequence[str]) -> list[str]:
    """A note for each input with a smallest or a largest shape and nothing else: its range is that one shape."""
    minimum, optimum, maximum = (parse_shapes(t, n) for t, n in zip((low, opt, high), names))
    notes = []
    for given, option, missing in ((minimum, names[0], names[2]), (maximum, names[2], names[0])):
        others = {**optimum, **(minimum if given is maximum else maximum)}
        for name, shape in given.items():
            if name not in others:
                text = "x".join(map(str, shape)) or "scalar"
                notes.append(f"input '{name}' is fixed at {text}: {option} is given without {missing}")
    return notes


def parse_files(texts: Sequence[str], option: str) -> Mapping[str, Path]:
    """Files by name, from `x=in.npy`. A text without `=` gets the empty name. E615 for a repeated name."""
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals:
            name, path = "", text
        if name in found:
            raise UserError("E615", f"{option} gives '{name}' twice", hint=f"{option} name=file.npy, once a name")
        found[name] = Path(path)
    return found
