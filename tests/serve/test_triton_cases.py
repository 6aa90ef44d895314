"""What a real Triton 2.51 answered to 411 requests, asked of a whole server here."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.serve.app.server_process import running

SHARED = Path(__file__).parents[3] / "shared" / "triton_cases"
# Cases that differ on purpose, each with why. One that is equal, or that stands here no more, fails too.
DIFFERS = {
    "compression/says gzip, is plain": "a body that is not what it says to be is refused, not read as nothing",
    "cache/an answer of before a reload": "answers of a model go when it is loaded anew",
    "repository/load with config, broken json": "a configuration that does not parse says where and why",
    "repository/load with config, unknown field": "a configuration that does not parse says where and why",
    "repository/load with config, wrong type": "a configuration that does not parse says where and why",
    "config/load bad_type": "a configuration that does not parse says where and why",
    "config/grpc load bad_unknown_field": "a configuration that does not parse says where and why",
    "statistics/metrics names of a model": "our own metrics of the model stand beside Triton's",
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the recorded cases of ../shared are not here"),
]


def recorder() -> ModuleType:
    """The script that recorded the cases; it also replays them."""
    spec = importlib.util.spec_from_file_location("record", SHARED / "record.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cases() -> Iterator[dict[str, Any]]:
    for file in sorted(SHARED.glob("cases*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def test_a_server_answers_as_triton_does(tmp_path: Path) -> None:
    record, repository = recorder(), tmp_path / "repository"
    shutil.copytree(SHARED / "repo", repository)
    names = [p.name for p in repository.iterdir() if not p.name.startswith(("bad_", "odd_"))]
    server = {"control": "explicit", "load": names, "exit_on_error": False, "name": "triton", "version": "2.51.0"}
    differs, total = {}, 0
    with running(repository, server=server, cache_bytes=1 << 20, shared_memory=True) as made:
        assert made.failed == []
        ports = [f"127.0.0.1:{port}" for port in (made.http, made.grpc, made.metrics)]
        asked = record.Server(*ports, str(repository))
        for case in cases():
            total += 1
            name = f"{case['area']}/{case['name']}"
            for _ in range(1 if name in DIFFERS else 3):  # on a busy machine counters and batches may come late
                found = list(record.differences(case["response"], asked.answer(case), case.get("any_order", False)))
                if not found:
                    break
            if found:
                differs[name] = found
    assert total >= 411
    assert {name: found for name, found in differs.items() if name not in DIFFERS} == {}
    assert set(DIFFERS) - set(differs) == set(), "these are equal now: take them out of the list"
