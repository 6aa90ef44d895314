"""A plan of codes is judged against the quantised model, and its distance from f32 is told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

import burnish
from burnish.calibration import profile_of
from burnish.plan import Plan
from burnish.precision.range_text import RANGES, parse_ranges, range_bytes
from burnish.precision.ranges import Range, Ranges

TEXT = "g (float[N,16] x) => (float[N,8] y) { h = MatMul(x, v)  r = Relu(h)  y = MatMul(r, w) }"
RNG = np.random.default_rng(3)
RANGES_OF_X = Ranges({"x": Range(-3, 3), "r": Range(0, 12)})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    proto = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : 17]> {TEXT}')
    for name, shape in (("v", (16, 32)), ("w", (32, 8))):
        proto.graph.initializer.append(numpy_helper.from_array(RNG.standard_normal(shape).astype(np.float32), name))
    for node, name in zip(proto.graph.node, ("first", "gate", "second")):
        node.name = name
    path = tmp_path_factory.mktemp("verify") / "m.onnx"
    onnx.save(proto, path)
    return path


@pytest.fixture(scope="module")
def plan(model: Path) -> Plan:
    config = {"layers": [{"nodes": ["second"], "precision": "fp32"}]}
    profile = {"x": ((1, 16), (2, 16), (4, 16))}
    return burnish.build(model, precision="int8", ranges=RANGES_OF_X, precision_config=config, profile=profile)


def test_the_plan_keeps_its_ranges_and_its_profile(plan: Plan) -> None:
    assert parse_ranges(plan.blobs[RANGES]) == RANGES_OF_X
    assert profile_of(plan.manifest) == {"x": ((1, 16), (2, 16), (4, 16))}


def test_it_agrees_with_the_quantised_model_and_is_told_how_far_f32_is(model: Path, plan: Plan) -> None:
    report = burnish.verify(model, plan)
    assert report.is_accepted
    (judged,), (far,) = (cases["random inputs, seed 0"] for cases in (report.cases, report.distance))
    assert judged.rms_relative < 1e-6 < 1e-3 < far.rms_relative and not far.is_accepted
    assert report.as_dict()["distance_from_f32"][0]["name"] == "y"


def test_a_plan_of_other_ranges_than_it_says_is_rejected(model: Path, plan: Plan) -> None:
    other = range_bytes(Ranges({**RANGES_OF_X.tensors, "x": Range(-2, 2)}))
    lying = dataclasses.replace(plan, blobs={**plan.blobs, RANGES: other})
    assert not burnish.verify(model, lying).is_accepted


def test_a_plan_of_floats_is_judged_against_its_model(model: Path) -> None:
    report = burnish.verify(model, burnish.build(model, shapes={"x": (2, 16)}))
    assert report.is_accepted and report.distance == {} and "distance_from_f32" not in report.as_dict()
