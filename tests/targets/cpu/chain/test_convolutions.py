"""Chains of convolutions on the CPU: the bits of a launch each for any number of threads; ONNX Runtime's answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import burnish
from burnish.devices.cpu.processor import best_target
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Program, each_launch
from burnish.lower.strips import runs
from burnish.target import Target, parse_target
from burnish.targets.cpu.program import CpuCompiler
from burnish.targets.cpu.templates import template_of
from burnish.tune import Tuner
from tests.lower.strips.chained import slow_memory  # noqa: F401
from tests.lower.test_lowering import model
from tests.targets.cpu.run_kernel import TARGETS, runnable

BLOCK = """m (float[3,8,21,14] x) => (float[3,8,u,v] y) {
    a = Conv (x, w0, b0) e = Clip(a, zero, six)
    c = Conv <group=40, pads=[1,1,1,1], strides=[STRIDE,STRIDE]> (e, w1, b1) d = Clip(c, zero, six)
    p = Conv (d, w2, b2) """
WEIGHTS = {"w0": (40, 8, 1, 1), "b0": (40,), "w1": (40, 1, 3, 3), "b1": (40,), "w2": (8, 40, 1, 1), "b2": (8,)}
CONSTANTS = WEIGHTS | {"zero": np.array(0, np.float32), "six": np.array(6, np.float32)}
RESIDUAL, STRIDED = BLOCK.replace("STRIDE", "1") + "y = Add(p, x) }", BLOCK.replace("STRIDE", "2") + "y = Relu(p) }"
QUANTISED = """m (float[1,8,24,14] x) => (float[1,8,24,14] y) {
    qx = QuantizeLinear (x, s, z) x0 = DequantizeLinear (qx, s, z)
    v0 = DequantizeLinear (i0, t, k) a = Conv (x0, v0) r = Relu(a)
    qe = QuantizeLinear (r, s, z) e = DequantizeLinear (qe, s, z)
    v1 = DequantizeLinear (i1, t, k) c = Conv <group=40, pads=[1,1,1,1]> (e, v1) o = Relu(c)
    qd = QuantizeLinear (o, s, z) d = DequantizeLinear (qd, s, z)
    v2 = DequantizeLinear (i2, t, k) p = Conv (d, v2)
    qp = QuantizeLinear (p, s, z) f = DequantizeLinear (qp, s, z)
    g = Add (f, x0) qy = QuantizeLinear (g, s, z) y = DequantizeLinear (qy, s, z) }"""


def both(path: Path, **how: object) -> tuple[burnish.Plan, burnish.Plan]:
    """The plan with a chain, and one with a launch for each convolution."""
    chained = burnish.build(path, **how)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "MOST_STRIP_BYTES", 0)
        apart = burnish.build(path, **how)
    found = [[row.kernel for row in p.manifest.variants[0].launches].count("Chain") for p in (chained, apart)]
    assert found == [1, 0]
    return chained, apart


def check(path: Path, chained: burnish.Plan, apart: burnish.Plan, tolerance: float) -> None:
    """Equal bits with 1, 2 and 5 threads, also after a run, whose data is still in scratch; ONNX Runtime's answer."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    for threads in (1, 2, 5):
        with burnish.load(chained, threads=threads) as one, burnish.load(apart, threads=threads) as other:
            for seed in (0, 1):
                x = np.random.default_rng(seed).standard_normal(session.get_inputs()[0].shape, np.float32)
                (expected,) = session.run(None, {"x": x})
                got = one({"x": x})["y"]
                np.testing.assert_array_equal(got, other({"x": x})["y"])
                np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.fixture
def folder(slow_memory: None, tmp_path: Path) -> Path:  # noqa: F811
    return tmp_path


@pytest.mark.parametrize("text", [RESIDUAL, STRIDED], ids=["residual", "strided"])
@pytest.mark.parametrize("target", [t for t in TARGETS if runnable(t)], ids=str)
def test_a_chain_has_the_bits_of_a_launch_each(target: Target, text: str, folder: Path) -> None:
    path = folder / "m.onnx"
    path.write_bytes(model(text, CONSTANTS).SerializeToString())
    check(path, *both(path, target=str(target)), tolerance=1e-5)


def test_products_of_tiles_in_chains_have_the_bits_of_a_launch_each(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Emulated, whatever this machine has."""
    with_tiles, plain = parse_target("cpu:x86-64-v4+amx"), Target("cpu", best_target().level)

    def choose(self: Tuner, program: Program, target: Target) -> dict[str, Schedule]:
        kernels = [launch.kernel for launch in each_launch(program.steps)]
        return {k.key: template_of(k).schedules(k, with_tiles, program.sizes)[0] for k in kernels}

    monkeypatch.setattr(Tuner, "choose", choose)
    monkeypatch.setattr(CpuCompiler, "abilities", replace(CpuCompiler(plain).abilities, bf16_products=True))
    path = folder / "m.onnx"
    path.write_bytes(model(RESIDUAL, CONSTANTS).SerializeToString())
    chained, apart = both(path, target=str(plain), precision="bf16")
    assert any("form=tiles" in row.tactic for row in chained.manifest.variants[0].launches if row.kernel == "Chain")
    check(path, chained, apart, tolerance=0.03)


@pytest.mark.parametrize("zero", [0, 7])
def test_what_is_handed_on_in_bytes_is_padded_by_its_zero_point(zero: int, folder: Path) -> None:
    random = np.random.default_rng(0)
    shapes = {"i0": (40, 8, 1, 1), "i1": (40, 1, 3, 3), "i2": (8, 40, 1, 1)}
    constants = {n: random.integers(-127, 128, s).astype(np.int8) for n, s in shapes.items()}
    scales = {"s": np.float32(0.05), "z": np.uint8(zero), "t": np.float32(0.0113), "k": np.int8(0)}
    path = folder / "m.onnx"
    path.write_bytes(model(QUANTISED, constants | scales).SerializeToString())
    check(path, *both(path, target="cpu"), tolerance=0.005)  # a step of 255, at ties
