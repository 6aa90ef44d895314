"""Trace settings fall back, and refuse what cannot work."""

from __future__ import annotations

import pytest

from burnish.serve.observe.trace_settings import TraceSetting, TraceSettings
from burnish.serve.status import ServeError


def test_a_models_values_fall_back_to_those_of_all_and_these_to_the_start() -> None:
    settings = TraceSettings(TraceSetting(rate=10, file="f"))
    settings.update("m", {"count": 5})
    settings.update("", {"rate": 20})
    assert (settings.of("m").rate, settings.of("m").count) == (20, 5)
    assert settings.of("other") is settings.of()
    settings.update("m", {"rate": 7})
    settings.update("", {"rate": None, "levels": ("TENSORS",)})
    assert (settings.of("m").rate, settings.of("m").levels, settings.of().rate) == (7, ("TENSORS",), 10)
    settings.update("m", {"rate": None, "count": None})
    assert settings.of("m") is settings.of()
    assert TraceSetting().shown_levels == ["OFF"]


@pytest.mark.parametrize(
    ("start", "changes", "why"),
    [
        (TraceSetting(), {"levels": ("TIMESTAMPS",)}, "trace file name is not given"),
        (TraceSetting(file="f"), {"levels": ("TIMESTAMPS",), "rate": 0}, "sample rate must be non-zero"),
    ],
)
def test_what_cannot_work_is_refused_and_nothing_changes(start: TraceSetting, changes: dict, why: str) -> None:
    settings = TraceSettings(start)
    with pytest.raises(ServeError, match=f"^Attempting to set invalid trace setting :{why}$"):
        settings.update("", changes)
    assert settings.of() == start


def test_a_change_for_all_that_breaks_one_models_setting_is_refused() -> None:
    settings = TraceSettings(TraceSetting(file="f"))
    settings.update("m", {"levels": ("TIMESTAMPS",)})
    with pytest.raises(ServeError):
        settings.update("", {"rate": 0})
    assert settings.of().rate == 1000


def test_whether_anything_may_be_traced_changes_with_levels_and_counts():
    settings = TraceSettings(TraceSetting(file="f"))
    told = []
    settings.on_change.append(lambda: told.append(settings.is_on))
    settings.update("", {"levels": ("TIMESTAMPS",), "count": 2})
    settings.spend("m")
    settings.spend("m")
    settings.spend("m")
    assert (settings.is_on, settings.of("m").count) == (False, 0)
    settings.update("", {"count": 1})
    settings.update("", {"levels": None})
    assert told == [True, False, True, False]


def test_in_opentelemetry_mode_a_rate_of_zero_traces_what_clients_trace():
    settings = TraceSettings(TraceSetting(mode="opentelemetry"))
    settings.update("", {"levels": ("TIMESTAMPS",), "rate": 0})
    assert settings.is_on
