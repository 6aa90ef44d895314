"""The gate on whole models: the finished plan, measured apart, meets the budget; a planted layer is raised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import burnish
from burnish.calibration import calibrate, load_ranges, meet_budget, save_ranges
from burnish.errors import UserError
from burnish.precision.ranges import Range, Ranges
from tests.end_to_end.architectures import SMALL

RESNET = SMALL["resnet"]
DATA = [RESNET.feeds(1, seed=100 + n) for n in range(4)]


@pytest.fixture(scope="module")
def model() -> bytes:
    return RESNET.make()


@pytest.fixture(scope="module")
def ranges(model: bytes) -> Ranges:
    return calibrate(model, [RESNET.feeds(1, seed=n) for n in range(4)])


def error(model: bytes, ranges: Ranges) -> float:
    """1 - cosine of the plan in int8, against ONNX Runtime in f32."""
    session, found = onnxruntime.InferenceSession(model), []
    with burnish.load(burnish.build(model, precision="int8", ranges=ranges), threads=1) as engine:
        for sample in DATA:
            a, b = next(iter(engine(sample).values())).ravel(), session.run(None, sample)[0].ravel()
            found.append(1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    return float(np.mean(found))


def test_a_loose_budget_raises_nothing(model: bytes, ranges: Ranges) -> None:
    found = meet_budget(model, ranges, DATA, "cos=1e-2", threads=1)
    assert not found.kept and found.accuracy is not None
    assert found.accuracy.found == pytest.approx(error(model, ranges), rel=0.02)


def test_a_tight_budget_is_met_by_the_finished_plan(model: bytes, ranges: Ranges) -> None:
    whole = error(model, ranges)
    found = meet_budget(model, ranges, DATA, f"cos={whole / 4:.3e}", threads=1)
    assert 0 < len(found.kept) < len(found.accuracy.layers)
    assert error(model, found) <= whole / 4
    assert {row.layer for row in found.accuracy.layers if row.form == "f32"} == found.kept


def test_the_layer_whose_range_is_wrong_is_raised(model: bytes, ranges: Ranges) -> None:
    name = sorted(ranges.tensors)[3]
    planted = Ranges(ranges.tensors | {name: Range(0.0, ranges.tensors[name].high * 0.02)}, ranges.graph)
    found = meet_budget(model, planted, DATA, "sqnr=25dB", threads=1)
    decisions: list = []
    burnish.build(model, precision="int8", ranges=planted, explain_precision=decisions.append)
    assert {d.node for d in decisions if d.why.startswith(f"{name} is")} <= found.kept
    assert len(found.kept) <= 3


def test_what_nothing_meets_is_refused_with_what_was_measured(model: bytes, ranges: Ranges) -> None:
    with pytest.raises(UserError, match="the nearest was") as caught:
        meet_budget(model, ranges, DATA[:1], "cos=1e-15", threads=1)
    assert caught.value.code == "E728"


def test_no_data_and_odd_labels_are_refused(model: bytes, ranges: Ranges) -> None:
    for data, labels, code in (([], None, "E721"), (DATA[:1], [1, 2], "E727")):
        with pytest.raises(UserError) as caught:
            meet_budget(model, ranges, data, "top1=1%", labels=labels, threads=1)
        assert caught.value.code == code


def test_what_was_measured_is_kept_in_the_file(model: bytes, ranges: Ranges, tmp_path: Path) -> None:
    found = meet_budget(model, ranges, DATA[:1], f"cos={error(model, ranges) / 4:.3e}", threads=1)
    save_ranges(found, tmp_path / "r.json")
    assert load_ranges(tmp_path / "r.json") == found
