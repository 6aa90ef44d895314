"""A clock that somebody sets moves no deadline: queues, timeouts and limits use one that only goes forward."""

from __future__ import annotations

import re

from tests.architecture.tree import PACKAGE, name_of

WALL_CLOCK = re.compile(r"time\.time\(|time\.time_ns\(|datetime\.now\(|\butcnow\(")
# Where people and files are told what time it is.
TELLS_THE_TIME = "burnish/serve/observe/"


def test_only_what_tells_people_the_time_looks_at_the_wall_clock() -> None:
    found = [name_of(p) for p in (PACKAGE / "serve").rglob("*.py") if WALL_CLOCK.search(p.read_text(encoding="utf-8"))]
    assert found
    assert [name for name in found if not name.startswith(TELLS_THE_TIME)] == []
