from collections import Counter
from itertools import pairwise

import pytest

from burnish.serve.config.options.options import Traffic
from burnish.serve.request import NEWEST, Request, Sequence
from burnish.serve.scheduling.traffic.weights import VersionChooser


def ask(chooser, version=NEWEST, **parameters):
    return chooser.choose(Request("m", {}, version, parameters=parameters))


def test_requests_are_spread_evenly_by_weight():
    chooser = VersionChooser(Traffic({1: 95, 2: 5}))
    chosen = [ask(chooser) for _ in range(200)]
    assert Counter(chosen) == {1: 190, 2: 10}
    places = [n for n, version in enumerate(chosen) if version == 2]
    assert {b - a for a, b in pairwise(places)} == {20}


def test_a_request_that_names_a_version_gets_it_and_a_weight_of_0_gets_none():
    chooser = VersionChooser(Traffic({1: 1, 2: 0}))
    assert ask(chooser, version=2) == 2
    assert {ask(chooser) for _ in range(20)} == {1}


@pytest.mark.parametrize("key", ["user", 7, True])
def test_the_same_value_of_the_sticky_parameter_goes_to_the_same_version(key):
    choosers = [VersionChooser(Traffic({1: 1, 2: 1}, "who")) for _ in range(5)]
    assert len({ask(c, who=key) for c in choosers for _ in range(3)}) == 1


def test_requests_without_the_sticky_parameter_are_spread():
    chooser = VersionChooser(Traffic({1: 1, 2: 1}, "who"))
    assert Counter(ask(chooser) for _ in range(10)) == {1: 5, 2: 5}


def test_the_requests_of_a_sequence_go_to_one_version():
    chooser = VersionChooser(Traffic({1: 1, 2: 1}))
    chosen = {n: {chooser.choose(Request("m", {}, sequence=Sequence(n))) for _ in range(3)} for n in range(1, 40)}
    assert all(len(versions) == 1 for versions in chosen.values())
    assert {1, 2} == set().union(*chosen.values())


def test_keys_are_divided_by_weight_and_few_move_when_weights_change():
    keys = [f"user{n}" for n in range(4000)]
    before = VersionChooser(Traffic({1: 90, 2: 10}, "who"))
    after = VersionChooser(Traffic({1: 80, 2: 20}, "who"))
    old, new = ([ask(c, who=k) for k in keys] for c in (before, after))
    assert abs(Counter(old)[2] / len(keys) - 0.1) < 0.02
    assert abs(Counter(new)[2] / len(keys) - 0.2) < 0.02
    moved = [(a, b) for a, b in zip(old, new) if a != b]
    assert set(moved) == {(1, 2)}
