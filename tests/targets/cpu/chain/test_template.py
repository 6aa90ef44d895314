"""Chains on the CPU: any number of threads and strips gives ONNX Runtime's answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import burnish
from burnish.kernels.task import Chain
from burnish.target import parse_target
from burnish.targets.cpu.chain.options import ChainOptions
from burnish.targets.cpu.chain.template import CHAIN
from tests.kernels.test_task import CHAIN as KERNEL
from tests.lower.test_lowering import model

TEXT = """m (float[n,32,80,60] x, float[n,32,1,1] g) => (float[n,32,80,60] y) {
    a = Conv <pads=[1,1,1,1]> (x, w0) r = Relu(a) b = Conv <pads=[1,1,1,1]> (r, w1, c)
    s = Mul(b, g) t = Add(s, r) y = Relu(t) }"""
WEIGHTS = {"w0": (32, 32, 3, 3), "w1": (32, 32, 3, 3), "c": (32,)}


@pytest.mark.parametrize("target", ["cpu:x86-64-v2", "cpu:x86-64-v3", "cpu"])
def test_any_number_of_threads_and_images_gives_the_right_answer(target: str, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(model(TEXT, WEIGHTS).SerializeToString())
    profile = {
        "x": ((1, 32, 80, 60), (3, 32, 80, 60), (4, 32, 80, 60)),
        "g": ((1, 32, 1, 1), (3, 32, 1, 1), (4, 32, 1, 1)),
    }
    plan = burnish.build(path, profile=profile, target=target)
    assert [row.kernel for row in plan.manifest.variants[0].launches].count("Chain") == 2
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for threads in (1, 2, 5):
        with burnish.load(plan, threads=threads) as engine:
            for images in (1, 4):
                rng = np.random.default_rng(images)
                feeds = {
                    "x": rng.standard_normal((images, 32, 80, 60), np.float32),
                    "g": rng.standard_normal((images, 32, 1, 1), np.float32),
                }
                (expected,) = session.run(None, feeds)
                np.testing.assert_allclose(engine(feeds)["y"], expected, rtol=1e-4, atol=2e-5 * np.abs(expected).max())


def test_the_schedule_holds_that_of_each_stage_and_is_read_back() -> None:
    target = parse_target("cpu:x86-64-v3")
    (schedule,) = CHAIN.schedules(KERNEL, target, {})
    stages = ChainOptions.read(schedule).schedules
    assert [s.template for s in stages] == ["loops", "loops"]
    assert CHAIN.legal(KERNEL, schedule, target)
    assert not CHAIN.legal(KERNEL, ChainOptions.of(stages[:1]).schedule, target)
    assert not CHAIN.legal(KERNEL, schedule, parse_target("cpu:x86-64-v3+checked"))
    assert CHAIN.scratch_bytes(KERNEL, schedule) == 64 and CHAIN.kernel is Chain
