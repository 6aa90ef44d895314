"""Ranges in a file: JSON, canonical, for people and for later builds.

{"burnish_ranges": 1, "graph": "9f...", "method": "entropy", "samples": 500, "tensors": {"relu1": [0.0, 5.25]}}

TensorRT's calibration caches are read too, and written where the name ends in .cache (tensorrt_cache.py).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from burnish.calibration.tensorrt_cache import is_cache, load_cache, names_cache, save_cache
from burnish.errors import UserError
from burnish.plan import write_atomically
from burnish.precision.ranges import Range, Ranges

VERSION = 1
MARK = "burnish_ranges"


def save_ranges(ranges: Ranges, path: str | os.PathLike[str]) -> None:
    """Write a file that `load_ranges` reads. The same ranges give the same bytes."""
    if names_cache(path):
        save_cache(ranges, path)
    else:
        write_atomically(path, [range_bytes(ranges)])


def range_bytes(ranges: Ranges) -> bytes:
    """The content of a file of ranges."""
    tensors = {name: [found.low, found.high] for name, found in sorted(ranges.tensors.items())}
    head = {MARK: VERSION, "graph": ranges.graph, "method": ranges.method, "samples": ranges.samples}
    content = {**head, "notes": list(ranges.notes), "kept": sorted(ranges.kept), "tensors": tensors}
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


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


def parse_ranges(text: bytes) -> Ranges:
    """What `range_bytes` wrote. ValueError if it is something else."""
    try:
        content = json.loads(text)
        if not isinstance(content, dict) or content.get(MARK) != VERSION:
            raise ValueError(f'it does not begin with "{MARK}": {VERSION}')
        tensors = {str(n): Range(float(low), float(high)) for n, (low, high) in content["tensors"].items()}
        own = (str(content["graph"]), str(content["method"]), int(content["samples"]))
        words = [tuple(map(str, content.get(name, ()))) for name in ("notes", "kept")]
        return Ranges(tensors, *own, words[0], frozenset(words[1]))
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _none(path: str | os.PathLike[str], why: str) -> UserError:
    hint = "burnish calibrate MODEL --data DATA -o ranges.json writes one"
    return UserError("E725", f"{path} is no file of ranges", why=why, hint=hint)


def is_range_file(path: str | os.PathLike[str]) -> bool:
    """Is it meant to be one, or a calibration cache, by its beginning?"""
    if is_cache(path):
        return True
    try:
        with open(path, "rb") as file:
            return MARK.encode() in file.read(64)
    except OSError:
        return False
