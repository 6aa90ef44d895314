"""Ranges in a file: JSON, canonical, for people and for later builds.

{"burnish_ranges": 1, "graph": "9f...", "method": "entropy", "samples": 500, "tensors": {"relu1": [0.0, 5.25]}}
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from burnish.errors import UserError
from burnish.plan import write_atomically
from burnish.precision.ranges import Range, Ranges

VERSION = 1
MARK = "burnish_ranges"


def save_ranges(ranges: Ranges, path: str | os.PathLike[str]) -> None:
    """Write a file that `load_ranges` reads. The same ranges give the same bytes."""
    tensors = {name: [found.low, found.high] for name, found in sorted(ranges.tensors.items())}
    head = {MARK: VERSION, "graph": ranges.graph, "method": ranges.method, "samples": ranges.samples}
    content = {**head, "notes": list(ranges.notes), "kept": sorted(ranges.kept), "tensors": tensors}
    write_atomically(path, [(json.dumps(content, indent=1, allow_nan=False) + "\n").encode()])


def load_ranges(path: str | os.PathLike[str]) -> Ranges:
    """Read a file of ranges. E725 if it is none."""
    try:
        content = json.loads(Path(path).read_bytes())
        if not isinstance(content, dict) or content.get(MARK) != VERSION:
            raise ValueError(f'it does not begin with "{MARK}": {VERSION}')
        tensors = {str(n): Range(float(low), float(high)) for n, (low, high) in content["tensors"].items()}
        own = (str(content["graph"]), str(content["method"]), int(content["samples"]))
        words = [tuple(map(str, content.get(name, ()))) for name in ("notes", "kept")]
        return Ranges(tensors, *own, words[0], frozenset(words[1]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
        hint = "burnish calibrate MODEL --data DATA -o ranges.json writes one"
        raise UserError("E725", f"{path} is no file of ranges", why=why, hint=hint) from error


def is_range_file(path: str | os.PathLike[str]) -> bool:
    """Is it meant to be one, by its beginning?"""
    try:
        with open(path, "rb") as file:
            return MARK.encode() in file.read(64)
    except OSError:
        return False
