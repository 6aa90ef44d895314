"""Networks in bf16 whose products are those of tiles: emulated and checked anywhere, by AMX where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import onnx.parser
import pytest
from onnx import numpy_helper

import burnish
from burnish.devices.cpu.processor import best_target, supports
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Kernel, Program, each_launch
from burnish.target import Target, parse_target
from burnish.targets.cpu.program import CpuCompiler
from burnish.targets.cpu.templates import template_of
from burnish.tune import Tuner
from tests.end_to_end.architectures import SMALL
from tests.end_to_end.oracle import Array, answers, session, shapes
from tests.end_to_end.test_architectures import depth

UNIT = 2.0**-8
WITH_TILES = parse_target("cpu:x86-64-v4+amx")
PLAIN = Target("cpu", best_target().level)


def is_tiled(schedule: Schedule) -> bool:
    options = dict(schedule.options)
    return options.get("form") == "tiles" or (schedule.template == "attention" and options["rows"] == 32)


def tiled(kernel: Kernel, program: Program, target: Target) -> Schedule:
    """The best schedule with tiles, wherever there is one; else the target's own best."""
    template = template_of(kernel)
    found = [s for s in template.schedules(kernel, WITH_TILES, program.sizes) if is_tiled(s)]
    return (found or template.schedules(kernel, target, program.sizes))[0]


@pytest.fixture
def in_tiles(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Builds keep values in bf16 and use tiles wherever they are legal, whatever the target has."""

    def choose(self: Tuner, program: Program, target: Target) -> dict[str, Schedule]:
        return {launch.kernel.key: tiled(launch.kernel, program, target) for launch in each_launch(program.steps)}

    monkeypatch.setattr(Tuner, "choose", choose)
    able = replace(CpuCompiler(PLAIN).abilities, bf16_products=True, byte_tiles=True)
    monkeypatch.setattr(CpuCompiler, "abilities", able)
    yield


def tiles_of(plan: burnish.Plan) -> int:
    tactics = [launch.tactic for v in plan.manifest.variants for launch in v.launches]
    return sum(" form=tiles " in t or t.startswith("attention rows=32 ") for t in tactics)


def check(model: bytes, plan: burnish.Plan, feeds: dict[str, Array]) -> dict[str, Array]:
    want, found = answers(session(model), feeds), {}
    for threads in (1, 2):
        with burnish.load(plan, threads=threads) as engine:
            found = engine(feeds)
        for name, value in want.items():
            error = np.abs(found[name].astype(np.float64) - value).max() / np.abs(value).max()
            assert error <= 2 * UNIT * depth(model) ** 0.5, name
    return found


@pytest.mark.parametrize(("name", "checked"), [*((name, True) for name in SMALL), ("resnet", False), ("bert", False)])
def test_networks_of_tiles_answer_near_f32(in_tiles: None, name: str, checked: bool) -> None:
    model, feeds = SMALL[name].make(), SMALL[name].feeds(batch=2)
    target = replace(PLAIN, extensions=("checked",) if checked else ())
    plan = burnish.build(model, shapes=shapes(feeds), target=str(target), precision="bf16")
    assert tiles_of(plan) >= 5
    check(model, plan, feeds)


@pytest.mark.parametrize("name", ["resnet", "bert"])
def test_a_profile_of_tiles_serves_every_shape_in_it(in_tiles: None, name: str) -> None:
    architecture = SMALL[name]
    model = architecture.make()
    low, best, high = (architecture.feeds(*sizes) for sizes in ((1, 1), (2, 16), (4, 40)))
    profile = {k: (low[k].shape, best[k].shape, high[k].shape) for k in low}
    plan = burnish.build(model, profile=profile, target=f"{PLAIN}+checked", precision="bf16")
    assert tiles_of(plan) >= 5
    for sizes in ((1, 1), (2, 16), (3, 33), (4, 40)):
        check(model, plan, architecture.feeds(*sizes))


def test_a_pooled_image_lies_channels_last_so_that_tiles_read_it() -> None:
    text = """<ir_version: 10, opset_import: ["" : 21]> m (float[1,32,32,32] x) => (float[1,64,16,16] z) {
        y = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x)
        z = Conv<kernel_shape = [1, 1]>(y, w) }"""
    model = onnx.parser.parse_model(text)
    weight = np.random.default_rng(5).standard_normal((64, 32, 1, 1)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    assert tiles_of(burnish.build(model, target=str(WITH_TILES), precision="bf16")) == 1


@pytest.mark.parametrize("left", ["uint8", "int8"])
@pytest.mark.parametrize(("right", "zero"), [("int8", 0), ("uint8", 0), ("uint8", 121), ("int8", -7), ("uint8", 128)])
def test_products_of_bytes_in_tiles_are_exact(in_tiles: None, left: str, right: str, zero: int) -> None:
    """Weights are bytes with or without a sign, or sums of two bytes where they have nine bits without their zero."""
    text = f"""<ir_version: 10, opset_import: ["" : 21]> m ({left}[40,70] a, {left}[1,12,9,9] x)
        => (int32[40,33] y, int32[1,20,9,9] z) <{left} p = {{7}}, {right} q = {{{zero}}}> {{
        y = MatMulInteger(a, w, p, q)
        z = ConvInteger<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(x, v, p, q) }}"""
    model, rng = onnx.parser.parse_model(text), np.random.default_rng(5)

    def any_bytes(dtype: str, *shape: int) -> Array:
        return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max + 1, shape).astype(dtype)

    w, v = any_bytes(right, 70, 33), any_bytes(right, 20, 12, 3, 3)
    model.graph.initializer.extend([numpy_helper.from_array(w, "w"), numpy_helper.from_array(v, "v")])
    feeds = {"a": any_bytes(left, 40, 70), "x": any_bytes(left, 1, 12, 9, 9)}
    plan = burnish.build(model, target=f"{PLAIN}+checked")
    assert tiles_of(plan) == 2
    with burnish.load(plan, threads=2) as engine:
        found = engine(feeds)
    a, x = (feeds[name].astype(np.int64) - 7 for name in "ax")
    assert np.array_equal(found["y"], a @ (w.astype(np.int64) - zero))
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    patches = np.stack([x[0, :, r : r + 9, s : s + 9] for r in range(3) for s in range(3)], 1).reshape(108, 81)
    assert np.array_equal(found["z"].reshape(20, 81), (v.astype(np.int64) - zero).reshape(20, 108) @ patches)


@pytest.mark.parametrize("name", SMALL)
def test_networks_by_amx_answer_near_f32(name: str) -> None:
    if lacking := supports(WITH_TILES):
        pytest.skip(f"this machine lacks {', '.join(lacking)}")
    model, feeds = SMALL[name].make(), SMALL[name].feeds(batch=2)
    plan = burnish.build(model, shapes=shapes(feeds), target=str(WITH_TILES), precision="bf16")
    assert any("Linux 5.16" in note for note in plan.manifest.notes)
    check(model, plan, feeds)
