"""The choice of schedules: what comes first, that it never changes, and that every architecture compiles it."""

from __future__ import annotations

import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.lower.task import Loops, Store
from burnish.ops.expr import Axis, load
from burnish.target import ARCHITECTURES, parse_target
from burnish.targets.cuda import loops
from burnish.targets.cuda.compile import Cubin, try_sources
from tests.targets.cpu.reference_loops import dense
from tests.targets.cuda.loops_tasks import at, depthwise, layer_norm, softmax

F32 = DType.F32
HOPPER = parse_target("cuda:sm_90a")


def test_a_transpose_puts_both_contiguous_axes_in_the_tile():
    a, b = Axis("i0", 512), Axis("i1", 1024)
    value = load(0, F32, at(b, a))
    kernel = Loops((dense(F32, (1024, 512)), dense(F32, (512, 1024))), (a, b), (Store(1, tuple(at(a, b)), value),))
    best = loops.schedules(kernel, HOPPER, {})[0]
    assert min(best.integer("rows"), best.integer("block")) >= 8


def test_large_batches_take_neighbouring_windows_together():
    kernel, _ = depthwise(64, 56, 56, 96, 3)
    assert loops.schedules(kernel, HOPPER, {})[0].integer("repeat") > 1


def test_schedules_are_the_same_twice_and_sources_too():
    kernel = layer_norm(64, 768)
    found = loops.schedules(kernel, HOPPER, {})
    assert found == loops.schedules(layer_norm(64, 768), HOPPER, {})
    assert len(set(found)) == len(found)
    assert loops.emit(kernel, found[0], HOPPER) == loops.emit(layer_norm(64, 768), found[0], HOPPER)


def test_a_row_is_kept_in_registers_and_few_rows_have_many_threads():
    best = loops.schedules(layer_norm(128, 768, DType.F16), HOPPER, {})[0]
    assert best.integer("block") == 1024
    assert best.integer("rows") == 1
    assert best.integer("warps") >= 4


def test_only_newer_chips_overlap_launches():
    kernel = softmax(4, 64)
    for name in ARCHITECTURES:
        target = parse_target(f"cuda:{name}")
        source = loops.emit(kernel, loops.schedules(kernel, target, {})[0], target)
        assert source.overlaps == ("gdc_wait()" in source.text) == (target.capability >= 90)


KERNELS = {
    "softmax": softmax(64, 300, DType.F16),
    "layer_norm": layer_norm(64, 768, DType.F16),
    "long_rows": layer_norm(2, 40000),
    "depthwise": depthwise(1, 14, 14, 64, 3)[0],
    "dynamic": softmax(symbol("n"), symbol("m")),
}


@pytest.mark.parametrize(
    "name",
    [
        "dynamic",
        "depthwise",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("softmax", "layer_norm", "long_rows")),
    ],
)
def test_every_architecture_compiles_the_first_choice(name):
    kernel = KERNELS[name]
    tasks = []
    for architecture in ARCHITECTURES:
        target = parse_target(f"cuda:{architecture}")
        tasks.append((loops.emit(kernel, loops.schedules(kernel, target, {})[0], target), target))
    for found in try_sources(tasks):
        assert isinstance(found, Cubin), str(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
def test_every_schedule_compiles(name):
    kernel = KERNELS[name]
    tasks = [(loops.emit(kernel, s, HOPPER), HOPPER) for s in loops.schedules(kernel, HOPPER, {})]
    for found in try_sources(tasks):
        assert isinstance(found, Cubin), str(found)
