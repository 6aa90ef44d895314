"""Every error Burnish raises on purpose.

    BurnishError
    ├── UserError         exit code 2: the model, the options or the data must change
    ├── EnvironmentProblem exit code 3: the machine, the disk or an installation must change
    └── InternalError     exit code 4: our own bug; please report it

An error says what happened, where and why, and has a code and a hint. docs/errors.md explains every code; a test
compares the codes there with those in the source, in both directions.

    E1xx import   E2xx graph and lowering   E3xx targets and memory   E4xx plan file   E5xx runtime
    E6xx command line and API   E7xx verification   E8xx environment   E9xx our own bugs
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping


class BurnishError(Exception):
    """What happened, where, why, and what to do about it, with a code that docs/errors.md explains."""

    exit_code = 4
    kind = "error"

    def __init__(self, code: str, what: str, *, where: str = "", why: str = "", hint: str = "") -> None:
        self.code, self.what, self.where, self.why, self.hint = code, what, where, why, hint
        super().__init__(str(self))

    def __str__(self) -> str:
        lines = [f"{self.kind} {self.code}: {self.what}"]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.why:
            lines.append(f"  why:   {self.why}")
        link = f"(docs/errors.md#{self.code.lower()})"
        lines += ["", f"hint: {self.hint}   {link}" if self.hint else f"hint: see {link[1:-1]}"]
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.code, self.what, self.where, self.why, self.hint))

    def as_dict(self) -> dict[str, str]:
        """The parts by name, for --json."""
        return {"code": self.code, "what": self.what, "where": self.where, "why": self.why, "hint": self.hint}


class UserError(BurnishError):
    """The model, the options or the data must change."""

    exit_code = 2


class EnvironmentProblem(BurnishError):
    """The machine, the disk or an installation must change."""

    exit_code = 3


class InternalError(BurnishError):
    """Our own bug."""

    exit_code = 4
    kind = "internal error"


def stumbled(error: Exception) -> InternalError:
    """The error that reports an unexpected exception."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return InternalError(
        "E901",
        f"{type(error).__name__}: {error}",
        where=f"{os.path.basename(last.filename)}:{last.lineno} in {last.name}",
        why="this is our mistake, not yours",
        hint="run again with --debug and report what it prints, with the model if you may share it",
    )


def to_json(error: BurnishError) -> dict[str, str]:
    """As text for another process, which restores the error with `from_json`."""
    return {"type": type(error).__name__, **error.as_dict()}


def from_json(found: Mapping[str, str]) -> BurnishError:
    """The error that another process wrote with `to_json`."""
    kinds = {kind.__name__: kind for kind in (UserError, EnvironmentProblem, InternalError)}
    parts = {name: found[name] for name in ("where", "why", "hint")}
    return kinds.get(found["type"], InternalError)(found["code"], found["what"], **parts)


def _rebuild(cls: type[BurnishError], code: str, what: str, where: str, why: str, hint: str) -> BurnishError:
    return cls(code, what, where=where, why=why, hint=hint)
