"""The whole diagnosis: its arguments, plans with nothing to find, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import burnish
from burnish.doctor import diagnose
from burnish.errors import UserError
from tests.doctor.planted import DATA, mlp


def test_an_f32_plan_is_told_to_be_one_with_its_distance() -> None:
    model = mlp()
    found = diagnose(model, burnish.build(model), DATA, threads=1)
    assert found.is_healthy and found.remedy is None and found.error < 1e-5
    assert any("in f32" in note for note in found.notes)


def test_plans_and_data_may_be_files(tmp_path: Path) -> None:
    onnx.save(mlp(), tmp_path / "m.onnx")
    burnish.build(tmp_path / "m.onnx", precision="fp16").save(tmp_path / "m.plan")
    np.savez(tmp_path / "data.npz", x=np.concatenate([d["x"] for d in DATA]))
    told = []
    found = diagnose(
        tmp_path / "m.onnx", tmp_path / "m.plan", tmp_path / "data.npz", threads=1, progress=lambda *a: told.append(a)
    )
    assert found.samples == sum(len(d["x"]) for d in DATA)
    assert found.precision == "fp16" and told[0] == ("diagnose", 0, 2)
    assert found.is_healthy and 0 < found.error < found.limit


@pytest.mark.parametrize(("data", "code"), [([], "E721"), ([{"x": np.ones((3, 3), np.float32)}], "E722"), (5, "E721")])
def test_no_data_and_odd_shapes_are_refused(data: object, code: str) -> None:
    model = mlp()
    with pytest.raises(UserError) as refused:
        diagnose(model, burnish.build(model, precision="fp16"), data, threads=1)
    assert refused.value.code == code


def test_a_plan_of_another_model_is_refused() -> None:
    plan = burnish.build(mlp(), precision="fp16")
    with pytest.raises(UserError) as refused:
        diagnose(mlp(c=np.zeros(24, np.float32)), plan, DATA, threads=1)
    assert refused.value.code == "E757"


def test_the_batch_may_be_open() -> None:
    model = mlp()
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    plan = burnish.build(model, precision="fp16", profile={"x": ((1, 32), (4, 32), (16, 32))})
    found = diagnose(model, plan, [{"x": DATA[0]["x"][:3]}, {"x": DATA[1]["x"][:16]}], threads=1)
    assert found.is_healthy and found.samples == 3 + 16
