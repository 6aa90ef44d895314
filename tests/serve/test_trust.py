"""What comes from outside is numbers, texts and arrays: nothing of it is unpickled or run."""

from __future__ import annotations

import re

from tests.architecture.tree import PACKAGE, name_of

RUNS_DATA = re.compile(r"\b(?:pickle|cloudpickle|marshal|shelve)\b|allow_pickle=True|\beval\(|\bexec\(|yaml\.load\(")
# `exec` is the name of a method of Triton's requests, by which a Python model calls another one.
CALLS_MODELS = "burnish/serve/backends/python/requests.py"


def test_nothing_that_comes_from_outside_is_unpickled_or_run() -> None:
    found = [name_of(p) for p in (PACKAGE / "serve").rglob("*.py") if RUNS_DATA.search(p.read_text(encoding="utf-8"))]
    assert found == [CALLS_MODELS]
