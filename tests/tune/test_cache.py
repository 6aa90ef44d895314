"""cache.py: a file that merges, and says what is wrong with it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from burnish.errors import UserError
from burnish.tune.cache import TimingCache
from burnish.tune.entry import to_line
from tests.tune.programs import entry

A, B, C = (entry(task=letter * 32) for letter in "abc")


def test_a_cache_survives_the_way_to_a_file_and_back(tmp_path: Path) -> None:
    TimingCache([A, B]).save(tmp_path / "x.cache")
    assert TimingCache.load(tmp_path / "x.cache") == TimingCache([A, B])


def test_the_order_in_which_entries_came_does_not_show() -> None:
    contents = {TimingCache(order).to_bytes() for order in itertools.permutations([A, B, C])}
    assert len(contents) == 1


def test_each_entry_has_a_line_of_its_own_so_that_git_merges_files() -> None:
    lines = TimingCache([A, B]).to_bytes().decode().splitlines()
    assert lines[1:] == [to_line(A), to_line(B)]
    both = TimingCache.from_bytes("\n".join([*lines, lines[0], to_line(C), to_line(A)]).encode())
    assert both == TimingCache([A, B, C])


def test_of_two_answers_the_faster_stays_and_the_conflict_is_told() -> None:
    slow, fast = entry(tactic="loops width=8", time_ns=100), entry(tactic="loops width=16", time_ns=90)
    for first, second in ((slow, fast), (fast, slow)):
        cache = TimingCache([first])
        (conflict,) = cache.merge(TimingCache([second]))
        assert (conflict.kept, conflict.dropped) == (fast, slow)
        assert list(cache) == [fast]


def test_two_times_of_one_tactic_are_no_conflict() -> None:
    cache = TimingCache([entry(time_ns=100)])
    assert cache.merge(TimingCache([entry(time_ns=90)])) == []
    assert [e.time_ns for e in cache] == [90]


def test_merging_does_not_depend_on_the_order_of_files() -> None:
    entries = [entry(tactic=f"loops width={w}", time_ns=t) for w, t in ((1, 7), (2, 5), (3, 5))]
    results = set()
    for order in itertools.permutations(entries):
        cache = TimingCache()
        for e in order:
            cache.merge(TimingCache([e]))
        results.add(cache.to_bytes())
    assert len(results) == 1


def test_a_new_measurement_takes_the_place_of_an_old_one_though_it_is_slower() -> None:
    cache = TimingCache([entry(time_ns=100)])
    cache.replace(entry(time_ns=200))
    assert [e.time_ns for e in cache] == [200]


def test_keep_forgets_all_others() -> None:
    cache = TimingCache([A, B, C])
    assert cache.keep([B.key]) == 2
    assert list(cache) == [B]


def test_a_file_that_need_not_exist_is_an_empty_cache(tmp_path: Path) -> None:
    assert len(TimingCache.load(tmp_path / "none", must_exist=False)) == 0
    with pytest.raises(UserError, match="E331"):
        TimingCache.load(tmp_path / "none")
    with pytest.raises(UserError, match="E331"):
        TimingCache.load(tmp_path, must_exist=False)


GOOD = TimingCache([A, B]).to_bytes()


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        (b"hello\n", 1, "begins with"),
        (b'{"format":"another"}\n', 1, "begins with"),
        (b"\xff\xfe", 1, "no text"),
        (GOOD + b"{}\n", 4, "has the fields"),
        (GOOD + b"{\n", 4, "Expecting"),
        (GOOD + b"<<<<<<< ours\n", 4, "merge conflict"),
        (GOOD[:-9] + b"\n", 3, ""),
    ],
)
def test_a_damaged_file_is_refused_with_the_line(content: bytes, line: int, why: str) -> None:
    with pytest.raises(UserError, match="E331") as caught:
        TimingCache.from_bytes(content, "x.cache")
    assert caught.value.where == f"line {line}"
    assert why in caught.value.why


def test_every_truncation_is_refused_or_holds_whole_entries() -> None:
    for length in range(1, len(GOOD)):
        try:
            cache = TimingCache.from_bytes(GOOD[:length])
        except UserError as error:
            assert error.code == "E331"
        else:
            assert set(cache) <= {A, B}


def test_a_file_of_another_version_is_refused() -> None:
    with pytest.raises(UserError, match="E332"):
        TimingCache.from_bytes(GOOD.replace(b'"version":1', b'"version":2'))


def test_devices_are_those_of_the_target() -> None:
    cache = TimingCache([A, entry(device="b"), entry(device="a")])
    assert cache.devices("cpu:x86-64-v3") == ["a", "a processor, 2 threads", "b"]
    assert cache.devices("cuda:sm_90a") == []
