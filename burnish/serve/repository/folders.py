"""Where the models lie: one folder a model, in one or several repositories."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from burnish.serve.status import Code, ServeError

Signature = tuple[tuple[str, int, int], ...]


class Folders:
    """Repositories in the order in which they were given. A name that two of them have is ambiguous, and refused."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = tuple(Path(os.path.abspath(root)) for root in roots)

    def names(self) -> list[str]:
        """Of all models, sorted; a folder that cannot be read holds none."""
        found: set[str] = set()
        for root in self.roots:
            try:
                found |= {e.name for e in os.scandir(root) if e.is_dir() and not e.name.startswith(".")}
            except OSError:
                continue
        return sorted(found)

    def find(self, name: str) -> Path | None:
        """The folder of a model; None if there is none or the name leads out of the repository. ServeError for two."""
        if not name or name in (".", "..") or name.startswith(".") or "/" in name or os.sep in name or "\0" in name:
            return None
        found = [root / name for root in self.roots if (root / name).is_dir()]
        if len(found) > 1:
            raise ServeError(
                Code.INVALID_ARG,
                f"failed to load '{name}': it lies in {len(found)} model repositories, which is ambiguous",
            )
        return found[0] if found else None


def signature(folder: Path) -> Signature:
    """What changes when a file of the model does: relative path, size and time of change of each."""
    return tuple(sorted(_files(folder, folder)))


def _files(folder: Path, top: Path) -> Iterator[tuple[str, int, int]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=True):
                yield from _files(Path(entry.path), top)
            else:
                found = entry.stat()
                yield str(Path(entry.path).relative_to(top)), found.st_size, found.st_mtime_ns
        except OSError:
            continue
