"""The timing cache: measured tactics in a text file that people read, git merges and builds replay.

The first line says the format; every other line is one entry (entry.py), sorted. A task is looked up by target, device,
digest of its kernel and usual sizes, so a build that finds all its tasks needs no hardware and gives the same bytes
everywhere.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from burnish.errors import UserError
from burnish.plan.atomic import write_atomically
from burnish.tune.entry import Entry, Key, from_value, to_line

FORMAT = "burnish timing cache"
VERSION = 1
_HEADER = json.dumps({"format": FORMAT, "version": VERSION}, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two entries for one key that name different tactics; the one that was measured faster is kept."""

    kept: Entry
    dropped: Entry


class TimingCache:
    """Entries by key. Not safe for several threads at once."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries: dict[Key, Entry] = {}
        self.conflicts: list[Conflict] = []
        for entry in entries:
            self.add(entry)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        """In the file's order."""
        return iter(sorted(self._entries.values(), key=lambda e: e.order))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TimingCache) and self._entries == other._entries

    __hash__ = None  # type: ignore[assignment]

    def get(self, key: Key) -> Entry | None:
        return self._entries.get(key)

    def replace(self, entry: Entry) -> None:
        """A new measurement takes the place of an old one."""
        self._entries[entry.key] = entry

    def add(self, entry: Entry) -> None:
        """Add an entry. Of two entries for one key the faster one stays; `conflicts` holds the pair if they differ."""
        present = self._entries.setdefault(entry.key, entry)
        if present == entry:
            return
        kept, dropped = sorted((present, entry), key=lambda e: (e.time_ns, e.tactic, -e.candidates))
        self._entries[entry.key] = kept
        if kept.tactic != dropped.tactic:
            self.conflicts.append(Conflict(kept, dropped))

    def merge(self, other: TimingCache) -> list[Conflict]:
        """Add all entries of another cache. Returns the entries where the two disagreed."""
        before = len(self.conflicts)
        for entry in other:
            self.add(entry)
        return self.conflicts[before:]

    def keep(self, wanted: Iterable[Key]) -> int:
        """Remove every other entry. Returns the number of removed entries."""
        before, keys = len(self), set(wanted)
        self._entries = {key: entry for key, entry in self._entries.items() if key in keys}
        return before - len(self)

    def devices(self, target: str) -> list[str]:
        """The devices that tactics for a target were measured on."""
        return sorted({key.device for key in self._entries if key.target == target})

    def to_bytes(self) -> bytes:
        """The file's content; equal caches give equal bytes."""
        return "".join(f"{line}\n" for line in (_HEADER, *map(to_line, self))).encode()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, whole or not at all. E403 if the place cannot be written."""
        write_atomically(path, [self.to_bytes()])

    @staticmethod
    def load(path: str | os.PathLike[str], *, must_exist: bool = True) -> TimingCache:
        """raises: E331 a file that is missing (unless it need not exist) or damaged; E332 one of another version"""
        place = Path(path)
        if not must_exist and not place.exists():
            return TimingCache()
        try:
            content = place.read_bytes()
        except (OSError, ValueError) as error:  # ValueError: a null byte in the path
            raise UserError(
                "E331",
                f"the timing cache {place} cannot be read",
                why=f"{getattr(error, 'strerror', None) or error}",
                hint="give the path of a file that `burnish build --timing-cache` wrote",
            ) from error
        return TimingCache.from_bytes(content, str(place))

    @staticmethod
    def from_bytes(content: bytes, name: str = "the timing cache") -> TimingCache:
        """Lines in any order, repeated headers included, as git's union merge leaves them. E331, E332."""
        if not content:
            return TimingCache()
        try:
            lines = content.decode().splitlines()
        except UnicodeDecodeError as error:
            raise _damaged(name, 1, "it is no text") from error
        _check_header(name, lines[0])
        entries = []
        for number, line in enumerate(lines[1:], 2):
            if line.strip() and line != _HEADER:
                entries.append(_entry(name, number, line))
        return TimingCache(entries)


def _check_header(name: str, line: str) -> None:
    try:
        header = json.loads(line)
    except ValueError as error:
        raise _damaged(name, 1, f"a timing cache begins with {_HEADER}") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise _damaged(name, 1, f"a timing cache begins with {_HEADER}")
    if header.get("version") != VERSION:
        raise UserError(
            "E332",
            f"{name} has format version {header.get('version')}",
            why=f"this Burnish reads version {VERSION}",
            hint="use the version of Burnish that wrote it, or delete it and tune again (--opt-level 3)",
        )


def _entry(name: str, number: int, line: str) -> Entry:
    if line.startswith(("<<<<<<<", "=======", ">>>>>>>", "|||||||")):
        raise _damaged(name, number, "a merge conflict of git was left in it: delete such lines, the entries may stay")
    try:
        return from_value(json.loads(line))
    except ValueError as error:
        raise _damaged(name, number, str(error)) from error


def _damaged(name: str, line: int, why: str) -> UserError:
    return UserError(
        "E331",
        f"{name} is no sound timing cache",
        where=f"line {line}",
        why=why,
        hint="take the file from version control, or delete it and tune again (--opt-level 3)",
    )
