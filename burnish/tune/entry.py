"""One line of a timing cache: the fastest tactic for a task, the device it was measured on, and its time.

    {"candidates":8,"device":"NVIDIA H200, 132 multiprocessors","sizes":{},"tactic":"matmul m=128 ...",
     "target":"cuda:sm_90a","task":"9f0c...","time_ns":5120,"work":"contraction f16 128x768 by 3072 sum 768"}

Keys are sorted, numbers whole, so that equal entries are equal lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_DIGEST = re.compile(r"[0-9a-f]{32}")
_FIELDS = {"candidates", "device", "sizes", "tactic", "target", "task", "time_ns", "work"}


@dataclass(frozen=True, slots=True)
class Key:
    """The key of an entry: the question that it answers."""

    target: str
    device: str
    task: str
    sizes: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """The fastest of `candidates` tactics for a task. `work` is the task's summary, for people."""

    key: Key
    work: str
    tactic: str
    time_ns: int
    candidates: int

    @property
    def order(self) -> tuple[Any, ...]:
        """The sort key in a file; it keeps work of one kind together."""
        key = self.key
        return (key.target, key.device, self.work, key.task, key.sizes)


def to_line(entry: Entry) -> str:
    """Canonical JSON, without a line's end."""
    value = {
        "candidates": entry.candidates,
        "device": entry.key.device,
        "sizes": dict(entry.key.sizes),
        "tactic": entry.tactic,
        "target": entry.key.target,
        "task": entry.key.task,
        "time_ns": entry.time_ns,
        "work": entry.work,
    }
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def from_value(value: Any) -> Entry:
    """The entry from a line's JSON. ValueError, with the reason, for anything that `to_line` does not write."""
    if not isinstance(value, Mapping) or value.keys() != _FIELDS:
        raise ValueError(f"an entry has the fields {', '.join(sorted(_FIELDS))}")
    for name in ("device", "tactic", "target", "work"):
        if not isinstance(value[name], str) or not value[name]:
            raise ValueError(f"'{name}' is no text")
    if not isinstance(value["task"], str) or not _DIGEST.fullmatch(value["task"]):
        raise ValueError("'task' is not 32 hexadecimal digits")
    sizes = value["sizes"]
    if not isinstance(sizes, Mapping) or not all(type(n) is int and n >= 0 for n in sizes.values()):
        raise ValueError("'sizes' is no table of whole numbers")
    for name in ("time_ns", "candidates"):
        if type(value[name]) is not int or not 0 < value[name] < 1 << 62:
            raise ValueError(f"'{name}' is no whole number above 0")
    key = Key(value["target"], value["device"], value["task"], tuple(sorted(sizes.items())))
    return Entry(key, value["work"], value["tactic"], value["time_ns"], value["candidates"])
