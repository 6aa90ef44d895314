"""Intermediate results of a build, for people: shown by BURNISH_DEBUG, written by --dump, read back by --override.

kind      from BURNISH_DEBUG  what
graph     5                   the graph as text, after each pass that changed it: shown as a difference
source    4                   a kernel's source: Triton for a GPU, LLVM IR of all kernels for a CPU
assembly  6                   the machine code of the same, as text

Files are numbered in the order in which they are made: the same build gives the same names. Only sources are read back.
Their results are not checked; the plan's notes say which sources were edited.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from burnish.errors import EnvironmentProblem, UserError
from burnish.settings import settings

LEVELS = {"source": 4, "graph": 5, "assembly": 6}


class Artefacts:
    """Receives all artefacts. `dump`: a folder, created if needed; `override`: a folder with edited files of a dump."""

    def __init__(self, dump: Path | None = None, override: Path | None = None) -> None:
        self.dump, self.override = dump, override
        self.show: Callable[[str], None] = lambda line: None
        self.edited: list[str] = []
        self._made: set[str] = set()
        self._graph: list[str] = []
        if override is not None and not override.is_dir():
            raise UserError(
                "E625", f"there is no folder {override} to take edited sources from", hint="make one by --dump"
            )

    def wants(self, kind: str) -> bool:
        """Does any option ask for artefacts of this kind?"""
        return bool(self.dump or self.override) or settings().debug >= LEVELS[kind]

    def keep(self, kind: str, name: str, text: Callable[[], str]) -> str | None:
        """Take an artefact. Returns the edited text of a source, if there is one. E618, E625."""
        if not self.wants(kind):
            return None
        content = text()
        if settings().debug >= LEVELS[kind]:
            self._show(kind, name, content)
        file = f"{len(self._made) + 1:03}-{name.replace('/', '-').replace(':', '-')}"
        self._made.add(file)
        if self.dump is not None:
            self.write(file, content.encode())
        if kind == "assembly" and self.edited:  # of edited sources it is another anyway
            return None
        edited = self._edited(file, content)
        if edited is not None and kind != "source":
            why = "only kernels' sources are read back"
            raise UserError(
                "E625", f"{file} was edited", where=str(self.override), why=why, hint="edit a .py or .ll file"
            )
        self.edited += [file] if edited is not None else []
        return edited

    def write(self, file: str, content: bytes) -> None:
        """Write a file into the folder of --dump, if there is one. E618."""
        if self.dump is None:
            return
        try:
            self.dump.mkdir(parents=True, exist_ok=True)
            (self.dump / file).write_bytes(content)
        except OSError as error:
            what = f"{self.dump / file} cannot be written"
            hint = "choose another folder, or free space"
            raise EnvironmentProblem("E618", what, why=str(error.strerror), hint=hint) from error

    def notes(self) -> list[str]:
        """The notes for the plan. E625 for a numbered file that this build does not make."""
        if self.override is not None:
            unknown = sorted(p.name for p in self.override.glob("[0-9][0-9][0-9]-*") if p.name not in self._made)
            if unknown:
                why = "another model, target or option gives other files"
                hint = "dump again, and edit what is there then"
                raise UserError(
                    "E625", f"this build makes no {unknown[0]}", where=str(self.override), why=why, hint=hint
                )
        return [f"built from edited sources: {', '.join(self.edited)}"] if self.edited else []

    def _edited(self, file: str, content: str) -> str | None:
        if self.override is None or not (self.override / file).is_file():
            return None
        try:
            found = (self.override / file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                "E625", f"{file} cannot be read", where=str(self.override), why=str(error), hint="it must be text"
            ) from error
        return found if found != content else None

    def _show(self, kind: str, name: str, content: str) -> None:
        lines = content.splitlines()
        if kind == "graph":
            lines, self._graph = [*difflib.unified_diff(self._graph, lines, lineterm="", n=1)][2:], lines
        for line in (f"-- {kind}: {name}", *lines):
            self.show(line)
