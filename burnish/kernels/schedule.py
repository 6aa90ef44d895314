"""A schedule: how a template does a kernel. A template's name and its options, frozen, printable, comparable."""

from __future__ import annotations

from dataclasses import dataclass

Option = int | str | bool


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

    def integer(self, name: str) -> int:
        """An option that is a number."""
        value = self[name]
        assert isinstance(value, int), f"{self.template}: option {name} is {value!r}"
        return int(value)

    def __str__(self) -> str:
        return self.template + "".join(f" {k}={v}" for k, v in self.options)

    @staticmethod
    def of(template: str, **options: Option) -> Schedule:
        return Schedule(template, tuple(options.items()))
