"""The whole diagnosis: its arguments, plans with nothing to find, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import burnish
from burnish.doctor import diagnose
from burnish.errors import UserError
from tests.doctor.planted import DATA, mlp, model_of


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


def test_products_that_are_written_on_codes_are_said_to_be_their_own_reference() -> None:
    constants = {"s": np.float32(0.02), "z": np.uint8(128), "w": np.full((32, 4), 130, np.uint8)}
    text = """g (float[16,32] x) => (float[16,4] y) {
        q = QuantizeLinear(x, s, z)   p = QLinearMatMul(q, s, z, w, s, z, s, z)   y = DequantizeLinear(p, s, z)
    }"""
    model = model_of(text, **constants)
    found = diagnose(model, burnish.build(model), DATA, threads=1, remedy=False)
    assert any("(QLinearMatMul), and compared with themselves" in line for line in found.notes)
    f32 = model_of("g (float[16,32] x) => (float[16,4] y) { y = MatMul(x, v) }", v=np.full((32, 4), 0.04, np.float32))
    found = diagnose(model, burnish.build(model), DATA, reference=f32, threads=1, remedy=False)
    assert not any("themselves" in line for line in found.notes)


def test_nodes_in_a_branch_are_said_to_be_left_out() -> None:
    text = """g (float[16,32] x, bool c) => (float[16,32] y) {
        y = If (c) <then_branch = t () => (float[16,32] a) { a = Relu(x) },
                    else_branch = e () => (float[16,32] b) { n = Neg(x)   b = Exp(n) }>
    }"""
    model = model_of(text)
    data = [{"x": DATA[0]["x"], "c": np.array(True)}]
    found = diagnose(model, burnish.build(model, precision="fp16"), data, threads=1, remedy=False)
    assert any("3 nodes stand in a branch of an If" in line for line in found.notes)
