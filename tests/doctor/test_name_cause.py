"""The order in which causes are asked."""

from __future__ import annotations

from burnish.doctor import name_cause as names_causes
from burnish.doctor.causes import unexplained
from burnish.doctor.name_cause import CAUSES, name_cause


def test_the_cause_that_always_fits_comes_last_and_each_has_a_name_of_its_own() -> None:
    assert CAUSES[-1] is unexplained.find
    files = {cause.__module__ for cause in CAUSES}
    names = [__import__(module, fromlist=["CAUSE"]).CAUSE.name for module in files]
    assert len(set(names)) == len(names) == len(files)


def test_the_first_that_fits_is_named(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(names_causes, "CAUSES", (lambda case: None, lambda case: "second", lambda case: "third"))
    assert name_cause(None) == "second"  # type: ignore[arg-type]
