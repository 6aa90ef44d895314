"""A schedule: how a template computes a kernel. It is a template's name and its options, frozen and comparable.

Timing caches and plans store this form. A template itself works with its `Options`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from inspect import cleandoc
from typing import ClassVar, Self

Option = int | str | bool
_MEANING = re.compile(r"(\w+(?:, \w+)*)  +(.+)")  # a line of a docstring: names, two spaces or more, their meaning


@dataclass(frozen=True, slots=True)
class Schedule:
    """template: contraction, loops, ...; options in the template's own fixed order: (("rows", 14), ("vectors", 2))."""

    template: str
    options: tuple[tuple[str, Option], ...] = ()

    def __getitem__(self, name: str) -> Option:
        for key, value in self.options:
            if key == name:
                return value
        raise KeyError(name)

    def __str__(self) -> str:
        return self.template + "".join(f" {k}={v}" for k, v in self.options)

    @staticmethod
    def parse(text: str) -> Schedule:
        """The schedule that prints like this."""
        template, *options = text.split(" ")
        pairs = (option.partition("=") for option in options)
        return Schedule(template, tuple((name, _option(value)) for name, _, value in pairs))

    @staticmethod
    def of(template: str, **options: Option) -> Schedule:
        return Schedule(template, tuple(options.items()))


@dataclass(frozen=True)
class Options:
    """A schedule as its template sees it: a frozen dataclass with a field for each option, in the schedule's order.

    The docstring of each subclass explains its options: at least one line for each option or group of options.
    """

    template: ClassVar[str]

    @property
    def schedule(self) -> Schedule:
        """The stored form of these options."""
        return Schedule(self.template, tuple((f.name, getattr(self, f.name)) for f in fields(self)))

    @property
    def widens_weights(self) -> bool:
        """Does the kernel read a constant in 16 bits, to compute in f32?"""
        return False

    @classmethod
    def read(cls, schedule: Schedule) -> Self:
        """Read the options from the stored form."""
        assert schedule.template == cls.template, schedule
        return cls(**dict(schedule.options))

    @classmethod
    def meanings(cls) -> dict[str, str]:
        """The meaning of each option, for people. Options that belong together share one text."""
        found: dict[str, str] = {}
        names: list[str] = []
        for line in cleandoc(cls.__doc__ or "").splitlines():
            if line.startswith(" "):
                found |= {name: f"{found[name]} {line.strip()}" for name in names}
            elif match := _MEANING.fullmatch(line):
                names = match[1].split(", ")
                found |= dict.fromkeys(names, match[2])
            else:
                names = []
        return {f.name: found[f.name] for f in fields(cls) if f.name in found}


def _option(text: str) -> Option:
    if text in ("True", "False"):
        return text == "True"
    return int(text) if text.lstrip("-").isdecimal() else text
