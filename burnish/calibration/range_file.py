"""Ranges in a file, for people and for later builds.

TensorRT's calibration caches are read too, and written where the name ends in .cache (tensorrt_cache.py).
"""

from __future__ import annotations

import os
from pathlib import Path

from burnish.calibration.tensorrt_cache import is_cache, load_cache, names_cache, save_cache
from burnish.errors import UserError
from burnish.plan import write_atomically
from burnish.precision.range_text import MARK, parse_ranges, range_bytes
from burnish.precision.ranges import Ranges


def save_ranges(ranges: Ranges, path: str | os.PathLike[str]) -> None:
    """Write a file that `load_ranges` reads. The same ranges give the same bytes."""
    if names_cache(path):
        save_cache(ranges, path)
    else:
        write_atomically(path, [range_bytes(ranges)])


def load_ranges(path: str | os.PathLike[str]) -> Ranges:
    """Read a file of ranges, or a calibration cache of TensorRT's. E725 if it is neither, E730 for a damaged cache."""
    if is_cache(path):
        return load_cache(path)
    try:
        return parse_ranges(Path(path).read_bytes())
    except OSError as error:
        raise _none(path, error.strerror or str(error)) from error
    except ValueError as error:
        raise _none(path, str(error)) from error


def _none(path: str | os.PathLike[str], why: str) -> UserError:
    hint = "burnish calibrate MODEL --data DATA -o ranges.json writes one"
    return UserError("E725", f"{path} is no file of ranges", why=why, hint=hint)


def is_range_file(path: str | os.PathLike[str]) -> bool:
    """Is it meant to be one, or a calibration cache, by its beginning or its name?"""
    if is_cache(path) or Path(path).suffix in (".json", ".cache"):
        return True
    try:
        with open(path, "rb") as file:
            return MARK.encode() in file.read(64)
    except OSError:
        return False
