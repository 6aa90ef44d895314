"""look_up.py: a build without hardware takes its tactics from the cache, and says what it did not find."""

from __future__ import annotations

import dataclasses

import pytest

from burnish.errors import UserError
from burnish.kernels.schedule import Schedule
from burnish.target import parse_target
from burnish.tune.cache import TimingCache
from burnish.tune.entry import Entry
from burnish.tune.look_up import choose, key_of, schedules_of
from burnish.tune.task import tasks_of
from tests.tune.programs import HERE, V3, batches, program, texts


def filled(usual: int = 4, device: str = HERE) -> TimingCache:
    """The last schedule offered, for every task of the net."""
    cache = TimingCache()
    for task in tasks_of(program(batches(1, usual, 9))):
        offered = list(schedules_of(task, V3))
        cache.add(Entry(key_of(task, V3, device), task.summary, offered[-1], 100, len(offered)))
    return cache


def test_every_task_gets_the_caches_tactic() -> None:
    found = choose(program(batches(1, 4, 9)), V3, filled(), locked=True)
    assert set(texts(found.schedules).values()) <= {e.tactic for e in filled()}
    assert len(found.schedules) == len(filled())
    assert (found.missing, found.notes) == ([], [])


def test_an_empty_cache_leaves_all_to_the_cost_model_without_a_word() -> None:
    found = choose(program(), V3, TimingCache())
    assert (found.schedules, found.notes) == ({}, [])
    assert found.missing


def test_a_tactic_for_other_usual_sizes_is_a_miss() -> None:
    found = choose(program(batches(1, 5, 9)), V3, filled(usual=4))
    assert found.schedules == {}
    assert "not in the timing cache" in found.notes[0]


def test_a_tactic_that_the_template_no_longer_offers_is_a_miss_with_a_note() -> None:
    cache = filled()
    old = next(iter(cache))
    cache.replace(Entry(old.key, old.work, "contraction rows=99", 100, 2))
    found = choose(program(batches(1, 4, 9)), V3, cache)
    assert len(found.schedules) == len(cache) - 1
    assert "1 task is no longer offered" in found.notes[0]
    assert "[contraction rows=99]" in found.notes[0]


def test_locked_names_the_missing_task_its_shape_and_its_nodes() -> None:
    cache = filled()
    product = next(e for e in cache if "by 40" in e.work)
    cache.keep(e.key for e in filled() if e != product)
    with pytest.raises(UserError, match="E330") as caught:
        choose(program(batches(1, 4, 9)), V3, cache, locked=True)
    (node,) = (t.nodes[0] for t in tasks_of(program(batches(1, 4, 9))) if t.summary == product.work)
    assert product.work in caught.value.why
    assert node in caught.value.why
    assert HERE in caught.value.where


def test_a_task_without_a_choice_needs_no_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("burnish.tune.look_up.schedules_of", lambda task, target: {"loops": Schedule("loops")})
    assert choose(program(), V3, TimingCache(), locked=True).missing == []


def test_a_name_for_one_target_leaves_the_others_to_their_only_device() -> None:
    cache = filled()
    (entry, *_) = cache
    other = dataclasses.replace(entry, key=dataclasses.replace(entry.key, target="cuda:sm_90a", device="a GPU"))
    cache.replace(other)
    assert choose(program(), V3, cache, device="a GPU").schedules == choose(program(), V3, filled()).schedules


def test_a_name_that_the_cache_does_not_hold_is_refused_with_those_it_does() -> None:
    with pytest.raises(UserError, match="E333") as caught:
        choose(program(), V3, filled(), device="a typo")
    assert "a typo" in caught.value.what and HERE in caught.value.why


def test_tactics_from_several_devices_need_a_name() -> None:
    cache = filled()
    cache.merge(filled(device="another, 4 threads"))
    with pytest.raises(UserError, match="E333") as caught:
        choose(program(batches(1, 4, 9)), V3, cache)
    assert "another, 4 threads" in caught.value.why
    assert choose(program(batches(1, 4, 9)), V3, cache, device=HERE, locked=True).missing == []


@pytest.mark.parametrize("target", ["cpu:x86-64-v2", "cpu:x86-64-v4"])
def test_another_target_finds_nothing(target: str) -> None:
    assert choose(program(batches(1, 4, 9)), parse_target(target), filled()).schedules == {}
