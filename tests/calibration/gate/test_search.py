"""The search, on errors that add up: it finds the cheapest set, in few measurements."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from burnish.calibration.gate.search import MOST, Error, search


def problem(count: int, seed: int) -> tuple[list[str], dict[str, float], dict[str, float]]:
    random = np.random.default_rng(seed)
    layers = [f"layer{n}" for n in range(count)]
    errors = dict(zip(layers, random.lognormal(0, 2, count)))
    return layers, errors, dict(zip(layers, random.uniform(0.1, 1.0, count)))


@pytest.mark.parametrize("seed", range(20))
def test_the_set_meets_the_budget_and_costs_little_more_than_the_best(seed: int) -> None:
    layers, errors, saved = problem(9, seed)
    limit = sum(errors.values()) * 0.2
    found = search(layers, saved, lambda chosen: Error(sum(errors[n] for n in chosen) - limit))
    assert found.is_met and sum(errors[n] for n in layers if n not in found.kept) <= limit
    sets = (set(c) for size in range(10) for c in combinations(layers, size))
    best = min(sum(saved[n] for n in c) for c in sets if sum(errors[n] for n in layers if n not in c) <= limit)
    assert sum(saved[n] for n in found.kept) <= best * 1.5 + 0.1


@pytest.mark.parametrize("count", [1, 2, 36, 37, 54, 74, 200, 1000])
def test_it_ends_in_a_bounded_number_of_measurements(count: int) -> None:
    layers, errors, saved = problem(count, 3)
    calls = []

    def error(chosen: frozenset[str]) -> Error:
        calls.append(chosen)
        return Error(sum(errors[n] for n in chosen) - sum(errors.values()) * 0.3)

    search(layers, saved, error)
    assert len(calls) <= MOST and len(set(calls)) == len(calls)


def test_nothing_is_raised_without_need() -> None:
    layers, _, saved = problem(5, 0)
    assert search(layers, saved, lambda chosen: Error(-1.0)).kept == frozenset()


def test_a_budget_that_only_f32_meets_is_not_met() -> None:
    layers, _, saved = problem(5, 0)
    assert not search(layers, saved, lambda chosen: Error(len(chosen))).is_met
    assert not search(layers, saved, lambda chosen: Error(1.0)).is_met


def test_a_dear_layer_whose_error_does_not_matter_comes_back() -> None:
    errors, saved = {"a": 5.0, "b": 4.0, "c": 4.5}, {"a": 1.0, "b": 1.0, "c": 1.0}
    found = search(list("abc"), saved, lambda chosen: Error(sum(errors[n] for n in chosen) - 4.6))
    assert len(found.kept) == 2


def test_where_the_budget_cannot_tell_layers_apart_the_noise_does() -> None:
    noise, saved = {f"layer{n}": float(n) for n in range(8)}, {f"layer{n}": 1.0 for n in range(8)}

    def error(chosen: frozenset[str]) -> Error:
        total = sum(noise[n] for n in chosen)
        return Error(float(total > 20), total / 28)  # of the class of one sample, for one

    assert search(list(noise), saved, error).kept == {"layer6", "layer7"}


def test_what_no_choice_meets_still_tells_what_each_layer_costs() -> None:
    layers, errors, saved = problem(5, 0)
    found = search(layers, saved, lambda chosen: Error(1.0 + sum(errors[n] for n in chosen)))
    assert not found.is_met and max(found.costs, key=lambda n: found.costs[n]) == max(errors, key=lambda n: errors[n])
