"""entry.py: equal entries are equal lines, and nothing else is read."""

from __future__ import annotations

import json

import pytest

from burnish.tune.entry import from_value, to_line
from tests.tune.programs import entry


def test_an_entry_survives_the_way_to_text_and_back() -> None:
    assert from_value(json.loads(to_line(entry()))) == entry()


def test_a_line_is_canonical_json() -> None:
    line = to_line(entry())
    value = json.loads(line)
    assert line == json.dumps(value, sort_keys=True, separators=(",", ":"))
    assert list(value) == sorted(value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("task", "xyz"), ("task", 7), ("time_ns", 0), ("time_ns", 1.5), ("time_ns", True), ("candidates", -1),
        ("sizes", []), ("sizes", {"n": "4"}), ("sizes", {"n": -1}), ("tactic", ""), ("device", None), ("target", 3),
    ],
)  # fmt: skip
def test_a_field_of_another_kind_is_refused_by_name(field: str, value: object) -> None:
    changed = json.loads(to_line(entry())) | {field: value}
    with pytest.raises(ValueError, match=field):
        from_value(changed)


@pytest.mark.parametrize("change", [{"more": 1}, {"work": None}])
def test_a_field_too_many_or_too_few_is_refused(change: dict[str, object]) -> None:
    value = {k: v for k, v in (json.loads(to_line(entry())) | change).items() if v is not None}
    with pytest.raises(ValueError, match="has the fields"):
        from_value(value)


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(ValueError, match="has the fields"):
        from_value([])
