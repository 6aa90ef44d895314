"""machine.py: levels from flags, cores from affinity and quota."""

from __future__ import annotations

from pathlib import Path

import pytest

from burnish.devices.cpu import processor as machine
from burnish.errors import EnvironmentProblem
from burnish.target import LEVELS, Target


def given_flags(monkeypatch: pytest.MonkeyPatch, *flags: str) -> None:
    monkeypatch.setattr(machine, "flags", lambda: frozenset(flags))


@pytest.mark.parametrize("level", LEVELS)
def test_the_best_target_is_the_highest_level_whose_flags_are_all_there(monkeypatch: pytest.MonkeyPatch, level: str):
    given_flags(monkeypatch, *Target("cpu", level).needed_flags)
    assert machine.best_target() == Target("cpu", level)


def test_extensions_are_found(monkeypatch: pytest.MonkeyPatch):
    wanted = Target("cpu", "x86-64-v4", ("bf16", "vnni"))
    given_flags(monkeypatch, *wanted.needed_flags)
    assert machine.best_target() == wanted


@pytest.mark.parametrize("refusal", [None, "errno 22 from the kernel"])
def test_tiles_are_there_if_the_kernel_grants_them(monkeypatch: pytest.MonkeyPatch, refusal: str | None):
    tiles = Target("cpu", "x86-64-v4", ("amx", "bf16", "vnni"))
    given_flags(monkeypatch, *tiles.needed_flags)
    asked: list[None] = []
    monkeypatch.setattr(machine.tile_permission, "refusal", lambda: asked.append(None) or refusal)
    assert machine.supports(Target("cpu", "x86-64-v4", ("bf16",))) == [] and not asked
    assert machine.supports(tiles) == ([] if refusal is None else [f"the use of AMX's tiles ({refusal})"])
    assert machine.best_target().extensions == (("amx", "bf16", "vnni") if refusal is None else ("bf16", "vnni"))


def test_a_processor_without_amx_is_not_asked_for_the_kernels_permission(monkeypatch: pytest.MonkeyPatch):
    given_flags(monkeypatch, *Target("cpu", "x86-64-v4").needed_flags)
    monkeypatch.setattr(machine.tile_permission, "refusal", None)
    assert "amx_tile" in machine.supports(Target("cpu", "x86-64-v4", ("amx",)))


def test_what_is_missing_is_listed(monkeypatch: pytest.MonkeyPatch):
    given_flags(monkeypatch, *(f for f in Target("cpu", "x86-64-v4").needed_flags if f != "avx512bw"))
    assert machine.supports(Target("cpu", "x86-64-v3")) == []
    assert machine.supports(Target("cpu", "x86-64-v4")) == ["avx512bw"]
    assert machine.supports(Target("cuda", "sm_90a")) == ["a cuda device"]


def test_a_processor_below_every_level_is_refused(monkeypatch: pytest.MonkeyPatch):
    given_flags(monkeypatch, "sse2")
    with pytest.raises(EnvironmentProblem, match="E831"):
        machine.best_target()


def test_flags_come_from_the_systems_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine.platform, "machine", lambda: "x86_64")
    file = tmp_path / "cpuinfo"
    file.write_text("processor : 0\nflags\t\t: avx2 fma\nbugs :\n")
    read = machine.flags.__wrapped__
    assert {"avx2", "fma", "sse2"} <= read(str(file))
    assert read(str(tmp_path / "absent")) == {"fxsr", "mmx", "sse", "sse2"}


def test_another_architecture_has_no_flags(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine.platform, "machine", lambda: "aarch64")
    assert machine.flags.__wrapped__() == frozenset()


@pytest.mark.parametrize(("content", "cores"), [("max 100000", 0), ("150000 100000", 2), ("50000 100000", 1), ("?", 0)])
def test_a_containers_quota_counts(tmp_path: Path, content: str, cores: int):
    file = tmp_path / "cpu.max"
    file.write_text(content)
    assert machine._container_quota(str(file)) == cores


def test_the_machine_has_cores_and_memory():
    assert machine.core_count() >= 1 and machine.memory_bytes() > 1 << 28
