"""Halos that are written in each run: the answers are ONNX Runtime's, whatever the bytes held before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import burnish
from burnish.building.analyze import analyze
from burnish.kernels.abilities import Abilities
from burnish.kernels.task import Branch, Launch, Program, each_launch
from burnish.lower.memory import renew_halos as module
from burnish.lower.memory.lifetimes import lifetimes_of
from burnish.lower.memory.plan_arena import plan_arena
from tests.lower.run_program import Run
from tests.lower.test_lowering import model

Array = np.ndarray[Any, Any]
CONVOLUTIONS = """m (float[n,3,9,7] x) => (float[n,6,h,w] y) {
    a = Conv <pads=[1,1,1,1]> (x, p) b = Relu(a)
    c = Conv <pads=[2,0,1,3]> (b, q) d = Conv <pads=[1,2,1,2], strides=[2,1]> (c, r)
    y = Conv <pads=[0,1,0,1]> (d, s) }"""
WEIGHTS = {"p": (20, 3, 3, 3), "q": (10, 20, 3, 3), "r": (12, 10, 3, 5), "s": (6, 12, 1, 3)}
CODES = """m (uint8[2,4,9,8] x) => (uint8[2,6,h,w] y) {
    a = QLinearConv <pads=[1,1,1,1]> (x, f, z, p, g, k, f, z) b = QLinearConv <pads=[2,1,0,1]> (a, f, z, q, g, k, f, z)
    y = QLinearConv <pads=[1,1,1,1]> (b, f, z, r, g, k, f, z) }"""


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "LEAST_SAVED_BYTES", 1)
    yield


def codes() -> onnx.ModelProto:
    random = np.random.default_rng(3)
    weights = {n: random.integers(-90, 90, s).astype(np.int8) for n, s in
               (("p", (16, 4, 3, 3)), ("q", (8, 16, 3, 3)), ("r", (6, 8, 3, 3)))}  # fmt: skip
    scales = {"f": np.float32(0.02), "g": np.float32(0.05), "z": np.uint8(131), "k": np.int8(0)}
    return model(CODES, weights | scales)


def renewed(program: Program) -> list[Launch]:
    return [launch for launch in each_launch(program.steps) if launch.name.endswith("/halo")]


def of_onnxruntime(parsed: onnx.ModelProto, x: Array) -> Array:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(parsed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


class Stale(Run):
    """What is not said to keep its halo holds bytes of another tensor."""

    def run(self) -> dict[str, Array]:
        for storage in self.program.storages:
            if storage.kind == "arena" and storage.number not in self.program.geometry:
                self.memory[storage.number][:] = 0x55
        return super().run()


@pytest.mark.parametrize("batch", ["fixed", "open"])
def test_stale_bytes_around_images_reach_no_answer(always: None, batch: str) -> None:
    parsed = model(CONVOLUTIONS, WEIGHTS)
    x = np.random.default_rng(1).standard_normal((2, 3, 9, 7)).astype(np.float32)
    sizes: dict[str, Any] = {"shapes": {"x": x.shape}} if batch == "fixed" else {"batch": (1, 2, 4)}
    program = analyze(parsed, abilities=Abilities(), **sizes).program
    assert len(renewed(program)) >= 4
    symbols = dict.fromkeys(program.symbols, 2)
    expected = of_onnxruntime(parsed, x)
    got = Stale(program, {"x": x}, symbols).run()["y"]
    np.testing.assert_allclose(got, expected, atol=2e-6 * float(np.abs(expected).max()))


def test_what_pads_codes_is_their_zero_point(always: None) -> None:
    parsed = codes()
    x = np.random.default_rng(2).integers(0, 256, (2, 4, 9, 8)).astype(np.uint8)
    program = analyze(parsed, shapes={"x": x.shape}, abilities=Abilities(integer_products=True)).program
    assert renewed(program) and not set(program.fills) & {at.storage for at in renewed(program)[0].bindings}
    np.testing.assert_array_equal(Stale(program, {"x": x}, {}).run()["y"], of_onnxruntime(parsed, x))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_plan_whose_padded_tensors_share_bytes_gives_the_same_answers_again(always: None, threads: int) -> None:
    random = np.random.default_rng(4)
    for parsed, first in ((model(CONVOLUTIONS, WEIGHTS), (2, 3, 9, 7)), (codes(), (2, 4, 9, 8))):
        plan = burnish.build(parsed, shapes={"x": first})
        with burnish.load(plan, threads=threads) as engine:
            for _ in range(3):
                x = random.integers(0, 256, first).astype(engine.inputs[0].dtype)
                expected = of_onnxruntime(parsed, x)
                scale = float(np.abs(expected).max())
                np.testing.assert_allclose(engine(x)["y"], expected, atol=1e-5 * scale)


def test_tensors_of_different_geometries_share_bytes_and_small_arenas_stay_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def program() -> Program:
        return analyze(model(CONVOLUTIONS, WEIGHTS), shapes={"x": (1, 3, 9, 7)}, abilities=Abilities()).program

    kept = program()
    assert not renewed(kept) and kept.geometry
    monkeypatch.setattr(module, "LEAST_SAVED_BYTES", 1)
    fewer = program()
    sizes = [plan_arena(lifetimes_of(p)).size_bytes for p in (kept, fewer)]
    assert sizes[1] < sizes[0]
    monkeypatch.setattr(module, "LEAST_SAVED_BYTES", sizes[0] - sizes[1] + 512)
    assert not renewed(program())


def test_a_halo_whose_storage_a_branch_begins_is_left_as_it_is(always: None) -> None:
    text = """m (bool c, float[1,3,9,7] x) => (float[1,6,9,7] y) {
        a = If (c) <then_branch = t () => (float[1,20,9,7] u) { u = Conv <pads=[1,1,1,1]> (x, p) },
                    else_branch = e () => (float[1,20,9,7] v) { w = Conv <pads=[1,1,1,1]> (x, p) v = Neg(w) }>
        y = Conv <pads=[1,1,1,1]> (a, q) }"""
    weights = {"p": (20, 3, 3, 3), "q": (6, 20, 3, 3)}
    program = analyze(model(text, weights), shapes={"c": (), "x": (1, 3, 9, 7)}, abilities=Abilities()).program
    (branch,) = (step for step in program.steps if isinstance(step, Branch))
    inside = {b.storage for launch in each_launch([branch]) for b in launch.bindings}
    assert inside & program.geometry.keys(), "its images keep the halo that is written when shapes are bound"
    assert not inside & {b.storage for launch in renewed(program) for b in launch.bindings}
