"""tritonserver's command line as getopt_long reads it: `--flag=value`, `--flag value`, beginnings that are unique."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field

from burnish.cli.tritonserver.flags import BOOLEANS, KNOWN, NOTED, REFUSED, SWITCHED, SWITCHES
from burnish.errors import UserError

ON, OFF = ("true", "on", "1"), ("false", "off", "0")


@dataclass(frozen=True)
class Given:
    """Every value of each flag in the order of the command line. notes: a line for each flag that changes nothing."""

    values: dict[str, list[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def text(self, name: str, otherwise: str = "") -> str:
        """Of a flag that was given several times the last counts."""
        return self.values[name][-1] if name in self.values else otherwise

    def all(self, *names: str) -> list[str]:
        return [value for name in names for value in self.values.get(name, ())]

    def flag(self, name: str, otherwise: bool = False) -> bool:
        return is_on(name, self.text(name)) if name in self.values else otherwise

    def number(self, name: str, otherwise: int, least: int = 0, most: int = 1 << 62) -> int:
        text = self.text(name)
        if not text:
            return otherwise
        return read_number(f"--{name}", text, least, most)


def read_flags(arguments: Sequence[str]) -> Given:
    """E646 unknown flag, E647 refused flag, E648 a value that it does not take."""
    values: dict[str, list[str]] = {}
    notes: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        text = rest.pop(0)
        stem, equals, value = text.partition("=")
        name = _name(stem, text)
        if name in REFUSED:
            raise _refused(name, REFUSED[name])
        if name in SWITCHES:
            if equals:
                raise bad(name, value, "it takes no value")
        elif not equals:
            if not rest:
                raise bad(name, "", "a value must follow")
            value = rest.pop(0)
        if name in SWITCHED and is_on(name, value):
            raise _refused(name, SWITCHED[name])
        if name in BOOLEANS:
            is_on(name, value)
        if name in NOTED:
            notes[name] = f"--{name} changes nothing: {NOTED[name]}"
        values.setdefault(name, []).append(value)
    return Given(values, tuple(notes.values()))


def is_on(name: str, text: str) -> bool:
    """As Triton reads a boolean."""
    if text.lower() not in (*ON, *OFF):
        raise bad(name, text, "it takes true or false, on or off, 1 or 0")
    return text.lower() in ON


def read_number(what: str, text: str, least: int = 0, most: int = 1 << 62) -> int:
    try:
        found = int(text)
    except ValueError:
        found = least - 1
    if not least <= found <= most:
        takes = f"a whole number from {least} to {most}" if most < 1 << 62 else f"a whole number, {least} or larger"
        raise bad(what, text, f"it takes {takes}")
    return found


def bad(name: str, text: str, takes: str) -> UserError:
    flag = name if name.startswith("-") else f"--{name}"
    return UserError("E648", f"{flag} does not take '{text}'" if text else f"{flag} has no value", why=takes)


def _name(stem: str, text: str) -> str:
    if stem == "-h":
        return "help"
    name = stem[2:] if stem.startswith("--") else ""
    if name in KNOWN:
        return name
    longer = sorted(known for known in KNOWN if name and known.startswith(name))
    if len(longer) == 1:
        return longer[0]
    near = longer or difflib.get_close_matches(name or text.lstrip("-"), sorted(KNOWN), 2, 0.5)
    hint = f"did you mean {' or '.join(f'--{n}' for n in near[:4])}? " if near else ""
    raise UserError(
        "E646", f"tritonserver has no flag '{text}'", hint=f"{hint}burnish tritonserver --help lists all of them"
    )


def _refused(name: str, instead: str) -> UserError:
    return UserError("E647", f"burnish tritonserver does not take --{name}", hint=instead)
