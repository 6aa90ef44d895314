"""The f32 model: every tensor, without codes."""

from __future__ import annotations

import numpy as np
import pytest

import burnish
from burnish.doctor.reference import open_reference
from burnish.errors import UserError
from tests.doctor.planted import DATA, WEIGHTS, mlp, model_of, normal
from tests.doctor.test_tasks import exact_of
from tests.precision.quantise.test_write_codes import model as quantised_model


def test_every_tensor_is_onnx_runtimes() -> None:
    model = mlp()
    exact, plan = exact_of(model, DATA[0]), burnish.build(model)
    with open_reference(model, plan.manifest, {"x": ((16, 32),) * 3}, 1) as reference:
        found = reference(DATA[0])
    assert {"x", "b", "y"} <= found.keys()
    for name, array in found.items():
        np.testing.assert_allclose(array, exact[name], rtol=1e-4, atol=1e-5)


def test_a_quantised_model_is_taken_without_what_makes_codes_of_its_data() -> None:
    model = quantised_model()
    plan, x = burnish.build(model), normal(8, 16, seed=3)
    with open_reference(model, plan.manifest, {"x": ((8, 16),) * 3}, 1) as reference:
        found = reference({"x": x})
    assert found["y"].any() and np.abs(found["a"]).max() > 1


def test_halves_are_given_as_the_f32_model_takes_them() -> None:
    text = "g (TYPE[16,32] x) => (TYPE[16,24] y) { y = MatMul(x, w) }"
    half = model_of(text.replace("TYPE", "float16"), w=WEIGHTS["w"].astype(np.float16))
    plan = burnish.build(half)
    with open_reference(model_of(text.replace("TYPE", "float"), w=WEIGHTS["w"]), plan.manifest, {}, 1) as reference:
        found = reference({"x": DATA[0]["x"].astype(np.float16)})
    np.testing.assert_allclose(found["y"], DATA[0]["x"].astype(np.float16).astype(np.float32) @ WEIGHTS["w"], atol=1e-4)


def test_a_model_of_other_inputs_is_no_reference() -> None:
    plan = burnish.build(mlp())
    other = model_of("g (float[16,32] z) => (float[16,32] y) { y = Relu(z) }")
    with pytest.raises(UserError) as refused:
        open_reference(other, plan.manifest, {}, 1)
    assert refused.value.code == "E759"


def test_a_relu_that_codes_stand_for_is_there_in_the_f32_model() -> None:
    text = """g (float[16,32] x) => (float[16,12] y) {
        [first] b = MatMul(x, w)
        [q] bq = QuantizeLinear(b, bs, bz) [dq] bd = DequantizeLinear(bq, bs, bz)
        [second] y = MatMul(bd, v)
    }"""
    scale = {"bs": np.array(0.04, np.float32), "bz": np.array(-128, np.int8)}
    model = model_of(text, w=WEIGHTS["w"], v=WEIGHTS["v"], **scale)
    with open_reference(model, burnish.build(model).manifest, {}, 1) as reference:
        found = reference(DATA[0])
    want = np.maximum(DATA[0]["x"] @ WEIGHTS["w"], 0)
    np.testing.assert_allclose(found["b"], want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["y"], want @ WEIGHTS["v"], rtol=1e-4, atol=1e-4)


def test_codes_that_are_read_by_another_scale_stay() -> None:
    """QLinearAdd reads its operands by the ratio of two scales; taken for x itself, they are off by that ratio."""
    constants = {"s": np.float32(0.04), "z": np.uint8(100), "t": np.float32(0.08)}
    text = """g (float[8,16] x) => (float[8,16] y) {
        q = QuantizeLinear(x, s, z)   d = DequantizeLinear(q, t, z)   y = Relu(d)
    }"""
    model, x = model_of(text, **constants), normal(8, 16, seed=3)
    with open_reference(model, burnish.build(model).manifest, {"x": ((8, 16),) * 3}, 1) as reference:
        np.testing.assert_allclose(reference({"x": x})["y"], np.maximum(2 * x, 0), atol=0.05)
