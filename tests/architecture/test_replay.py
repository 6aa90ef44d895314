"""The tool behind `make replay` sees every difference, and main's record has the form it reads."""

from __future__ import annotations

import json

from tests.replay import FIXED_TARGETS, GPU_ARCHITECTURES, GPU_TARGETS, PROFILES, RECORD, SMALL, TARGETS, differences


def test_a_changed_part_a_new_plan_and_a_missing_plan_are_each_a_line() -> None:
    recorded = {"a": {"plan": "1", "graph": "2"}, "b": {"plan": "3"}, "d": {"plan": "5"}}
    found = {"a": {"plan": "9", "graph": "2"}, "c": {"plan": "4"}, "d": {"plan": "5"}}
    assert differences(recorded, found) == ["a: plan", "b: plan", "c: plan"]


def test_the_record_holds_every_example_for_every_target() -> None:
    plans = {f"{n}, {t}" for n in PROFILES for t in TARGETS}
    sources = {f"{n}, {t}" for n in (*PROFILES, *GPU_ARCHITECTURES) for t in GPU_TARGETS}
    kernels = {f"kernels of {n}, {t}" for n in SMALL for t in FIXED_TARGETS}
    assert json.loads(RECORD.read_text()).keys() == plans | sources | kernels
