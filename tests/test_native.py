"""The record of native kernels (tests/data/native.json) is what the code does: a kernel that is lost fails by name."""

from __future__ import annotations

import pytest

from burnish.ops import registry
from tests.native import RECORD, UPDATE, differences, operators, recorded, text_of


@pytest.mark.parametrize("operator", operators())
def test_an_operator_has_the_native_kernels_that_are_recorded(operator):
    changed = list(differences(operators()[operator]))
    assert not changed, "\n".join([*changed, f"if that is meant (a kernel gained, a reason reworded): {UPDATE}"])


def test_the_record_holds_every_case_and_is_in_its_one_form():
    assert recorded().keys() == {case.name for cases in operators().values() for case in cases}, UPDATE
    assert RECORD.read_text() == text_of(recorded()), UPDATE


def test_a_definition_that_is_lost_is_named(monkeypatch):
    def lost(node):
        raise registry.Undefined(f"{node.op_type} is lost")

    monkeypatch.setitem(registry._table, ("", "LRN"), lost)
    changed = list(differences(operators()["LRN"]))
    assert {line.split(":")[0] for line in changed} >= {
        "LRN, test_lrn, cpu",
        "LRN, test_lrn, cuda",
        "LRN, test_lrn, open",
    }
    assert all(line.endswith("LRN is lost'") for line in changed)
