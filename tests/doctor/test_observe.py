"""Errors at boundaries: inherited, made, and of what is stored alone."""

from __future__ import annotations

import numpy as np
import pytest

import burnish
from burnish.building.analyze import prepare
from burnish.doctor.observe import channel_axis, observe
from burnish.doctor.reference import open_reference
from burnish.precision.ranges import Range
from tests.doctor.planted import DATA, fitting_ranges, mlp
from tests.doctor.test_tasks import convolutions, exact_of, opened


def test_what_is_made_is_told_from_what_is_inherited() -> None:
    model = mlp()
    ranges = fitting_ranges(model, x=Range(-0.05, 0.05))
    plan, told = burnish.build(model), []
    with (
        opened(model, precision="int8", ranges=ranges) as tasks,
        open_reference(model, plan.manifest, {}, 1) as reference,
    ):
        seen = observe(tasks, reference, DATA, lambda what, done, total: told.append((done, total)))
    x, b, y = seen.boundaries
    assert x.made.error > 0.9 and x.stored.error == pytest.approx(x.made.error, rel=1e-3)
    assert b.whole.error > 0.5 and y.whole.error > 0.5 and y.made.error < 0.05
    assert b.made.error > 0.5 and b.stored.error < 0.05  # what it reads cannot be kept: x's fault, not its own
    assert seen.samples == sum(len(each["x"]) for each in DATA) and told == [(0, 2), (1, 2)] and not seen.nan
    assert seen.outputs["y"].whole == pytest.approx(y.whole.whole)
    exact = [exact_of(model, sample)["b"] for sample in DATA]
    assert b.high == pytest.approx(max(a.max() for a in exact)) and b.low == 0


def test_nan_is_counted_in_the_graphs_order() -> None:
    model = mlp()
    x = DATA[0]["x"].copy()
    x[0, 0] = np.nan
    plan = burnish.build(model)
    with opened(model) as tasks, open_reference(model, plan.manifest, {}, 1) as reference:
        seen = observe(tasks, reference, [{"x": x}], lambda *_: None)
    assert next(iter(seen.nan)) == "x" and seen.nan["x"] == 1 and seen.nan["y"] == 12


def test_channels_of_images_are_counted_on_axis_1() -> None:
    graph = prepare(convolutions()).imported.model.graph
    assert channel_axis(graph, "b") == 1 and channel_axis(prepare(mlp()).imported.model.graph, "b") == -1
