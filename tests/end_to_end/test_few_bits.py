"""Weights of few bits in plans: MatMulNBits against ONNX Runtime without its optimisations, and against float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import burnish
from burnish.target import parse_target
from tests.end_to_end.oracle import answers, session
from tests.targets.cpu.run_kernel import runnable

TARGETS = [t for t in ("cpu:x86-64-v4", "cpu:x86-64-v3", "cpu:x86-64-v2") if runnable(parse_target(t))]
RNG = np.random.default_rng(0)


def n_bits(K: int, N: int, bits: int, block: int, zeros: str = "none", rows: int | str = 2) -> onnx.ModelProto:
    """A model of one MatMulNBits with a bias; half of the scales are negative."""
    blocks = -(-K // block)
    arrays: dict[str, Any] = {
        "w": RNG.integers(0, 256, (N, blocks, block * bits // 8)).astype(np.uint8),
        "s": (RNG.standard_normal((N, blocks)) / 10).astype(np.float32),
    }
    if zeros == "packed":
        arrays["z"] = RNG.integers(0, 256, (N, -(-blocks * bits // 8))).astype(np.uint8)
    elif zeros == "float":
        arrays["z"] = RNG.uniform(0, 1 << bits, (N, blocks)).astype(np.float32)
    arrays["c"] = RNG.standard_normal(N).astype(np.float32)
    inputs = ["x", "w", "s", "z" if zeros != "none" else "", "", "c"]
    options = {"K": K, "N": N, "bits": bits, "block_size": block}
    graph = helper.make_graph(
        [helper.make_node("MatMulNBits", inputs, ["y"], domain="com.microsoft", **options)],
        "g",
        [helper.make_tensor_value_info("x", 1, [rows, K])],
        [helper.make_tensor_value_info("y", 1, [rows, N])],
        [numpy_helper.from_array(a, n) for n, a in arrays.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def compare(model: onnx.ModelProto, target: str, x: Any, **options: Any) -> burnish.Plan:
    (want,) = answers(session(model.SerializeToString()), {"x": x}).values()
    plan = burnish.build(model, target=target, **options)
    with burnish.load(plan, threads=2) as engine:
        (found,) = engine(x=x).values()
    np.testing.assert_allclose(found, want, rtol=0, atol=3e-6 * float(np.abs(want).max()))
    return plan


@pytest.mark.parametrize(("bits", "block"), [(4, 16), (4, 32), (4, 128), (8, 16), (8, 256), (2, 32)])
@pytest.mark.parametrize("zeros", ["none", "packed"])
def test_answers_are_those_of_onnxruntime(bits: int, block: int, zeros: str) -> None:
    target = TARGETS[(bits + block + len(zeros)) % len(TARGETS)]
    x = RNG.standard_normal((5, 100)).astype(np.float32)
    compare(n_bits(100, 40, bits, block, zeros, rows=5), target, x)


@pytest.mark.parametrize("target", TARGETS)
def test_a_plan_holds_the_codes_and_takes_any_number_of_rows(target: str) -> None:
    model = n_bits(512, 512, 4, 32, "packed", rows="m")
    plan = burnish.build(model, target=target, profile={"x": ((1, 512), (1, 512), (40, 512))})
    oracle = session(model.SerializeToString())
    weights = sum(len(blob) for name, blob in plan.blobs.items() if name.startswith("weights/"))
    assert weights < 512 * 512 * (1 / 2 + 5 / 32) + 4096
    with burnish.load(plan, threads=2) as engine:
        for rows in (1, 2, 5, 8, 12, 33):
            x = RNG.standard_normal((rows, 512)).astype(np.float32)
            (want,), (found,) = answers(oracle, {"x": x}).values(), engine(x=x).values()
            np.testing.assert_allclose(found, want, rtol=0, atol=3e-6 * float(np.abs(want).max()))


def test_zero_points_may_be_floats() -> None:
    """Of 4 bits: ONNX Runtime has no kernel for others."""
    compare(n_bits(100, 40, 4, 32, "float"), TARGETS[0], RNG.standard_normal((2, 100)).astype(np.float32))


def test_a_decoder_takes_any_batch_and_any_length() -> None:
    """Two blocks with a residual, data [batch, length, 64], and both products in one plan."""
    model = onnx.parser.parse_model("""<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
    g (float[b,s,64] x, uint8[96,2,16] u, float[96,2] us, uint8[64,3,16] d, float[64,3] ds) => (float[b,s,64] y) {
      h = com.microsoft.MatMulNBits<K=64, N=96, bits=4, block_size=32>(x, u, us)  a = Relu(h)
      o = com.microsoft.MatMulNBits<K=96, N=64, bits=4, block_size=32>(a, d, ds)  y = Add(o, x) }""")
    arrays = {
        "u": RNG.integers(0, 256, (96, 2, 16)).astype(np.uint8),
        "us": RNG.standard_normal((96, 2)).astype(np.float32),
        "d": RNG.integers(0, 256, (64, 3, 16)).astype(np.uint8),
        "ds": RNG.standard_normal((64, 3)).astype(np.float32) / 50,
    }
    model.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in arrays.items())
    del model.graph.input[1:]
    oracle = session(model.SerializeToString())
    plan = burnish.build(model, target=TARGETS[0], profile={"x": ((1, 1, 64), (1, 1, 64), (3, 40, 64))})
    with burnish.load(plan, threads=2) as engine:
        for shape in ((1, 1, 64), (2, 1, 64), (1, 13, 64), (3, 40, 64)):
            x = RNG.standard_normal(shape).astype(np.float32)
            (want,), (found,) = answers(oracle, {"x": x}).values(), engine(x=x).values()
            np.testing.assert_allclose(found, want, rtol=0, atol=3e-6 * float(np.abs(want).max()))
