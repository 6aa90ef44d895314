"""Plans and ONNX files served without a repository: each becomes a model of its name in a folder of links."""

from __future__ import annotations

import contextlib
import mmap
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from burnish.errors import UserError

KINDS = {".plan": "model.plan", ".engine": "model.plan", ".onnx": "model.onnx"}
_CONFIG = "config.pbtxt"


@contextlib.contextmanager
def repositories_of(places: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
    """The repositories among `places` as they are, and one more with the files; it goes at the end.

    raises: E640 for what is not there, E641 for a file that is no model and for two files of one name
    """
    folders = [_checked(place) for place in places if not place.is_file()]
    files = [place for place in places if place.is_file()]
    if not files:
        yield tuple(folders)
        return
    top = Path(tempfile.mkdtemp(prefix="burnish-serve-"))
    try:
        for file in files:
            _add(file, top)
        yield (*folders, top)
    finally:
        shutil.rmtree(top, ignore_errors=True)


def _checked(place: Path) -> Path:
    if not place.is_dir():
        raise UserError("E640", f"there is no model repository {place}", hint="give a folder that holds model folders")
    if (place / _CONFIG).is_file() or _is_all_versions(place):
        raise UserError(
            "E640",
            f"{place} is a model, not a model repository",
            why=f"it holds {_CONFIG if (place / _CONFIG).is_file() else 'nothing but versions'}",
            hint=f"serve the folder above it: {place.resolve().parent}",
        )
    return place


def _is_all_versions(place: Path) -> bool:
    names = [entry.name for entry in place.iterdir() if entry.is_dir()]
    return bool(names) and all(name.isascii() and name.isdecimal() for name in names)


def _add(file: Path, top: Path) -> None:
    target = KINDS.get(file.suffix.lower())
    if target is None:
        raise UserError(
            "E641", f"{file} is no model", hint="a model is a .plan or .onnx file; several lie in a repository"
        )
    version = top / file.stem / "1"
    if version.exists():
        raise UserError("E641", f"two files would be the model '{file.stem}'", hint="rename one of them")
    version.mkdir(parents=True)
    file = file.absolute()
    (version / target).symlink_to(file)
    if target == "model.onnx":
        for other in _external(file):
            (version / other.name).symlink_to(other)


def _external(file: Path) -> list[Path]:
    """What lies beside an ONNX file and is named in it: its external data. One link too many does no harm."""
    if not file.stat().st_size:
        return []
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(b"location") < 0:  # the key under which ONNX keeps the name of a file
            return []
        beside = [p for p in file.parent.iterdir() if p.name != file.name and not p.name.startswith(".")]
        return sorted(p for p in beside if content.find(p.name.encode()) >= 0)
