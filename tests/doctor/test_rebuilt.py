"""A plan's own kernels, with a stop after each launch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import burnish
from burnish.doctor.rebuilt import build_arguments, precision_of, rebuild
from burnish.errors import UserError
from burnish.plan import Plan
from tests.doctor.planted import DATA, fitting_ranges, mlp
from tests.end_to_end.architectures import SMALL

CONFIG = {"layers": [{"nodes": ["second"], "precision": "fp32"}]}


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_plan_is_cut_between_launches_and_gives_the_same_bits(precision: str) -> None:
    model = mlp()
    ranges = fitting_ranges(model) if precision == "int8" else None
    plan = burnish.build(model, precision=precision, ranges=ranges)
    with burnish.load(plan, threads=1) as engine:
        found, want = rebuild(model, plan, engine.variant), engine(DATA[0])["y"]
    with burnish.load(found.plan, threads=1) as cut, cut.stepwise() as run:
        assert all(len(step) == 1 for step in run.steps) and len(run.steps) == len(found.variant.launches) > 1
        assert np.array_equal(cut(DATA[0])["y"], want)


def test_a_convolutional_network_is_cut_too() -> None:
    model, feeds = SMALL["resnet"].make(), SMALL["resnet"].feeds(1)
    plan = burnish.build(model, shapes={name: a.shape for name, a in feeds.items()})
    with burnish.load(plan, threads=2) as engine:
        found, want = rebuild(model, plan, engine.variant), engine(feeds)
    with burnish.load(found.plan, threads=2) as cut:
        assert all(np.array_equal(a, want[name]) for name, a in cut(feeds).items())


def test_the_arguments_that_gave_a_plan_give_it_again() -> None:
    model = mlp()
    plan = burnish.build(model, precision="int8", ranges=fitting_ranges(model), precision_config=CONFIG)
    again = burnish.build(model, **build_arguments(plan))
    assert again.to_bytes() == plan.to_bytes() and precision_of(plan).words == precision_of(again).words


def test_a_plan_of_another_model_or_version_is_refused() -> None:
    model = mlp()
    plan = burnish.build(model, precision="fp16")
    variant = plan.manifest.variants[0]
    with pytest.raises(UserError) as refused:
        rebuild(mlp(c=np.zeros(24, np.float32)), plan, variant)
    assert refused.value.code == "E757" and "--reference" in refused.value.hint
    launches = (replace(variant.launches[0], name="else"), *variant.launches[1:])
    with pytest.raises(UserError) as refused:
        rebuild(model, plan, replace(variant, launches=launches))
    assert refused.value.code == "E758"
    launches = (replace(variant.launches[0], task="0" * 32), *variant.launches[1:])
    with pytest.raises(UserError) as refused:
        rebuild(model, Plan(plan.manifest, plan.blobs), replace(variant, launches=launches))
    assert refused.value.code == "E758"
