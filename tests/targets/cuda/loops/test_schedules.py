"""The choice of schedules: what comes first, that it never changes, and that every architecture compiles it."""

from __future__ import annotations

import re

import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, load, reduce
from burnish.target import ARCHITECTURES, parse_target
from burnish.targets.cuda.compiler.compile import Cubin
from burnish.targets.cuda.compiler.pool import try_sources
from burnish.targets.cuda.loops import template as loops
from tests.targets.cpu.reference_loops import dense
from tests.targets.cuda.loops_tasks import at, depthwise, layer_norm, softmax

F32 = DType.F32
HOPPER = parse_target("cuda:sm_90a")


def test_a_transpose_puts_both_contiguous_axes_in_the_tile():
    a, b = Axis("i0", 512), Axis("i1", 1024)
    value = load(0, F32, at(b, a))
    kernel = Loops((dense(F32, (1024, 512)), dense(F32, (512, 1024))), (a, b), (Store(1, tuple(at(a, b)), value),))
    best = loops.schedules(kernel, HOPPER, {})[0]
    assert min(best["rows"], best["block"]) >= 8


def test_large_batches_take_neighbouring_windows_together():
    kernel, _ = depthwise(64, 56, 56, 96, 3)
    assert loops.schedules(kernel, HOPPER, {})[0]["repeat"] > 1


def test_schedules_are_the_same_twice_and_sources_too():
    kernel = layer_norm(64, 768)
    found = loops.schedules(kernel, HOPPER, {})
    assert found == loops.schedules(layer_norm(64, 768), HOPPER, {})
    assert len(set(found)) == len(found)
    assert loops.emit(kernel, found[0], HOPPER) == loops.emit(layer_norm(64, 768), found[0], HOPPER)


def test_a_row_is_kept_in_registers_and_few_rows_have_many_threads():
    best = loops.schedules(layer_norm(128, 768, DType.F16), HOPPER, {})[0]
    assert best["block"] == 1024
    assert best["rows"] == 1
    assert best["warps"] >= 4


def test_many_rows_are_few_programs():
    kernel = layer_norm(16384, 768, DType.F16)
    first = loops.schedules(kernel, HOPPER, {})[0]
    assert loops.emit(kernel, first, HOPPER).grid[0] <= 16384 // 2  # each takes the chip 1.2 ns to start


def test_what_a_norm_reads_after_its_sums_is_asked_for_before_them():
    kernel = layer_norm(128, 768, DType.F16)
    text = loops.emit(kernel, loops.schedules(kernel, HOPPER, {})[0], HOPPER).text
    assert text.rindex("tl.load(") < text.index("tl.sum(")


def test_registers_that_many_elements_need_are_not_filled_with_what_is_read_later():
    kernel = layer_norm(128, 768, DType.F16)
    one_warp = next(s for s in loops.schedules(kernel, HOPPER, {}) if s["block"] == 1024 and s["warps"] == 1)
    text = loops.emit(kernel, one_warp, HOPPER).text
    assert text.rindex("tl.load(") > text.rindex("tl.sum(")


def test_means_over_an_image_share_no_elements_and_are_not_taken_together():
    n, c, r = Axis("i0", 128), Axis("i1", 1152), Axis("r0_0", 49)
    value = reduce("sum", [r], load(0, F32, at(n, r, c)))
    kernel = Loops((dense(F32, (128, 49, 1152)), dense(F32, (128, 1152))), (n, c), (Store(1, tuple(at(n, c)), value),))
    assert {s["repeat"] for s in loops.schedules(kernel, HOPPER, {})} == {1}


def test_loads_of_straight_line_sums_come_in_groups_before_what_is_made_of_them():
    n, c, r = Axis("i0", 8), Axis("i1", 64), Axis("r0_0", 40)
    value = reduce("sum", [r], load(0, F32, at(n, r, c)))
    kernel = Loops((dense(F32, (8, 40, 64)), dense(F32, (8, 64))), (n, c), (Store(1, tuple(at(n, c)), value),))
    serial = Schedule.of("loops", columns=1, across=-1, rows=1, block=64, down=False, repeat=1, warps=1)
    lines = loops.emit(kernel, serial, HOPPER).text.splitlines()
    groups = re.findall("L+", "".join("L" if "tl.load" in line else "+" for line in lines))
    assert [len(group) for group in groups] == [16, 16, 8]


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


@pytest.mark.parametrize("kernel", [layer_norm(64, 768), softmax(32, 50), depthwise(8, 14, 14, 32, 3)[0]], ids=str)
def test_what_is_offered_is_legal_and_what_no_tile_can_be_is_not(kernel: Loops):
    offered = loops.schedules(kernel, HOPPER, {})
    assert all(loops.legal(kernel, s, HOPPER) for s in offered)
    for schedule in offered[:10]:
        wrong = [{"rows": 3}, {"warps": 32}, {"warps": 0}, {"block": 1 << 15}, {"columns": 9}, {"repeat": 3}]
        for change in wrong:
            changed = Schedule.of("loops", **(dict(schedule.options) | change))
            assert not loops.legal(kernel, changed, HOPPER), changed
    assert not loops.legal(kernel, Schedule.of("contraction", form="load"), HOPPER)
