"""keep.py: a compiler hands over each source before its assembly, and looks at the answer."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from burnish.building.analyze import analyze
from burnish.lower.program import plan_memory
from burnish.target import parse_target
from burnish.targets import compiler_of
from tests.small_model import small_model


@pytest.mark.parametrize("target", ["cpu:x86-64-v3", "cuda:sm_80"])
def test_sources_come_before_assembly_and_the_answer_is_compiled(target: str) -> None:
    if target.startswith("cuda"):
        pytest.importorskip("triton")
    compiler = compiler_of(parse_target(target))
    program = analyze(small_model(2), abilities=compiler.abilities).program
    seen: list[tuple[str, str]] = []
    origins: list[str] = []

    def keep(kind: str, name: str, text: Callable[[], str]) -> str | None:
        seen.append((kind, name.rpartition(".")[0]))
        origins.extend(re.findall(r"# \w+.*", text()) if name.endswith(".py") else [])
        return text() if kind == "source" else None

    kept = compiler.emit_program(program, plan_memory(program, None), {}, keep=keep)
    assert kept == compiler.emit_program(program, plan_memory(program, None), {})
    assert [kind for kind, _ in seen] == ["source", "assembly"]
    assert len({name for _, name in seen}) == 1
    assert bool(origins) == target.startswith("cuda"), "a line of Triton says which function wrote it"
