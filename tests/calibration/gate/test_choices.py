"""Choices of layers: a run with switches gives the answers of the plan that has the same layers raised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import burnish
from burnish.calibration import calibrate
from burnish.calibration.gate.choices import Codes, Floats, running, with_rule
from burnish.errors import EnvironmentProblem
from burnish.plan import Plan

MODEL = Path(__file__).parents[3] / "examples" / "digits.onnx"
BOUNDS: Mapping[str, Any] = {"shapes": None, "profile": None, "batch": None}
make = partial(burnish.build, MODEL)


@pytest.fixture(scope="module")
def images() -> Any:
    return np.load(MODEL.with_name("digits_samples.npz"))["images"][:4, None].reshape(4, 1, 1, 8, 8)


def answer(run: Any, image: Any) -> Any:
    return np.array(run({"image": image})["logits"])


def test_a_choice_of_codes_is_a_run(images: Any) -> None:
    ranges = calibrate(MODEL, [{"image": i} for i in images])
    codes = Codes(MODEL, make, "int8", ranges, None, BOUNDS, 1)
    with codes.open():
        assert len(codes.layers) > 3
        chosen = frozenset(codes.layers[::2])
        ours = answer(codes.run(chosen), images[0])
        none = answer(codes.run(frozenset()), images[0])
    rest = [name for name in codes.layers if name not in chosen]
    with burnish.load(codes.plan(rest)) as engine, burnish.load(make()) as f32:
        assert np.abs(ours - answer(engine, images[0])).max() < 0.05 * np.abs(ours).max()
        assert np.allclose(none, answer(f32, images[0]), atol=1e-4)
        assert not np.array_equal(ours, none)


def test_rules_of_a_configuration_stay_and_their_layers_cannot_be_chosen(images: Any) -> None:
    ranges = calibrate(MODEL, [{"image": i} for i in images])
    config = {"layers": [{"operators": ["Gemm"], "precision": "fp32"}]}
    codes = Codes(MODEL, make, "int8", ranges, config, BOUNDS, 1)
    with codes.open():
        assert not any("Gemm" in name for name in codes.layers)
    assert with_rule(config, ["a"]) == {"layers": [*config["layers"], {"nodes": ["a"], "precision": "fp32"}]}
    assert with_rule(config, []) is config


def test_beside_bf16_a_raised_layer_is_bf16_first_and_then_f32(images: Any) -> None:
    ranges = calibrate(MODEL, [{"image": i} for i in images])
    codes = Codes(MODEL, make, "int8+bf16", ranges, None, BOUNDS, 1)
    with codes.open():
        name = codes.layers[-1]
    assert codes.has_step
    assert "precision_layers" not in codes.plan([name], is_last=False).manifest.options
    assert codes.plan([name]).manifest.options["precision_layers"][-1] == {"precision": "fp32", "nodes": [name]}


def test_a_choice_of_floats_is_a_build(images: Any) -> None:
    floats = Floats(make, "bf16", None, 1)
    with floats.open():
        assert floats.layers and floats.form == "bf16"
        none, every = (answer(floats.run(frozenset(c)), images[0]) for c in ((), floats.layers))
    with burnish.load(make()) as f32, burnish.load(make(precision="bf16")) as bf16:
        assert np.array_equal(none, answer(f32, images[0])) and np.array_equal(every, answer(bf16, images[0]))


def test_a_plan_that_does_not_run_here_is_refused() -> None:
    plan = make(target="cpu:x86-64-v3")
    other = replace(plan.manifest, variants=tuple(replace(v, target="cuda:sm_90a") for v in plan.manifest.variants))
    stranger = Plan(other, plan.blobs)
    with pytest.raises(EnvironmentProblem, match="not run plans for cuda") as caught, running(stranger, 1):
        pass
    assert caught.value.code == "E766"
