"""Ranges as text: JSON, canonical. A file of ranges holds it, and so does a plan that was built from ranges.

{"burnish_ranges": 1, "graph": "9f...", "method": "entropy", "samples": 500, "tensors": {"relu1": [0.0, 5.25]}}

The range of asymmetric codes ends in that word: [-0.28, 6.0, "asymmetric"].

"means" and "magnitudes" hold an f32 for each channel of a tensor, in little-endian bytes as base64.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import numpy as np

from burnish.precision.accuracy import parse_accuracy
from burnish.precision.ranges import Range, Ranges

VERSION = 1
MARK = "burnish_ranges"
ASYMMETRIC = "asymmetric"
RANGES = "ranges"  # the blob of a plan


def range_bytes(ranges: Ranges) -> bytes:
    """The content of a file of ranges."""
    tensors = {name: _entry(found) for name, found in sorted(ranges.tensors.items())}
    head = {MARK: VERSION, "graph": ranges.graph, "method": ranges.method, "samples": ranges.samples}
    content = {**head, "notes": list(ranges.notes), "kept": sorted(ranges.kept), "tensors": tensors}
    for key, rows in (("means", ranges.means), ("magnitudes", ranges.magnitudes)):
        if rows:
            content[key] = {name: _packed(row) for name, row in sorted(rows.items())}
    if ranges.is_superset:
        content["is_superset"] = True
    if ranges.accuracy is not None:
        content["accuracy"] = ranges.accuracy.as_dict
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


def parse_ranges(text: bytes) -> Ranges:
    """What `range_bytes` wrote. ValueError if it is something else."""
    content = _json(text)
    if not isinstance(content, dict) or content.get(MARK) != VERSION:
        raise ValueError(f'it does not begin with "{MARK}": {VERSION}')
    try:
        tensors = {str(name): _range(*entry) for name, entry in content["tensors"].items()}
        own = (str(content["graph"]), str(content["method"]), int(content["samples"]))
        words = [tuple(map(str, content.get(name, ()))) for name in ("notes", "kept")]
        measured = None if "accuracy" not in content else parse_accuracy(content["accuracy"])
        means, magnitudes = (
            {str(n): _unpacked(row) for n, row in content.get(key, {}).items()} for key in ("means", "magnitudes")
        )
        is_superset = bool(content.get("is_superset", False))
        found = Ranges(tensors, *own, words[0], frozenset(words[1]), measured)
        return replace(found, means=means, magnitudes=magnitudes, is_superset=is_superset)
    except KeyError as error:
        raise ValueError(f"it lacks {error}") from error
    except (ValueError, TypeError, AttributeError, AssertionError) as error:
        raise ValueError("a value in it is of another kind: a range is two finite numbers, the lower first") from error


def _entry(found: Range) -> list[float | str]:
    return [found.low, found.high, *([ASYMMETRIC] if found.is_asymmetric else [])]


def _range(low: Any, high: Any, kind: str = "") -> Range:
    if kind not in ("", ASYMMETRIC):
        raise ValueError(kind)
    return Range(float(low), float(high), bool(kind))


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except UnicodeDecodeError as error:
        raise ValueError("it is no text in UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: line {error.lineno}, column {error.colno}") from error


def _packed(row: tuple[float, ...]) -> str:
    return base64.b64encode(np.array(row, "<f4").tobytes()).decode()


def _unpacked(text: str) -> tuple[float, ...]:
    row = np.frombuffer(base64.b64decode(text, validate=True), "<f4")
    if not np.isfinite(row).all():
        raise ValueError("a number of a channel is not finite")
    return tuple(row.tolist())
