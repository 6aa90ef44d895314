"""What tiles ask of memory: together exactly the next panel, and nothing before it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from llvmlite import ir

from burnish.kernels.schedule import Schedule
from burnish.target import Target
from burnish.targets.cpu.builder import I64, KernelBuilder, KernelContext
from burnish.targets.cpu.contraction import template as contraction
from burnish.targets.cpu.register_tile.prefetch import request_next, share_of_next
from tests.targets.cpu.contractions import matmul
from tests.targets.cpu.run_kernel import TARGETS, Compiled, runnable

BEST = max((t for t in TARGETS if runnable(t)), key=lambda t: t.vector_bytes)
STEP_BYTES, STEPS = 512, 24  # four k of a panel of 32 floats


def requested(tile: int, spread: int) -> set[int]:
    """Bytes from the panel's start at which a tile asks for a line: its requests become stores of their addresses."""

    def emit(context: KernelContext) -> ir.Function:
        k = KernelBuilder(context, "kernel", 2)
        ahead = share_of_next(k, k.slots[0], STEPS * STEP_BYTES, k.i64(tile), spread, STEP_BYTES)
        written: list[ir.Value] = []

        def record(_name: str, _result: ir.Type, arguments: list[ir.Value]) -> None:
            written.append(k.ir.sub(k.ir.ptrtoint(arguments[0], I64), k.ir.ptrtoint(k.slots[0], I64)))

        k.call = record  # type: ignore[method-assign, assignment]
        for step in range(STEPS):
            request_next(k, ahead, k.address(k.slots[0], step * STEP_BYTES, ir.IntType(8)))
        for n, value in enumerate(written):
            k.ir.store(value, k.address(k.slots[1], n, I64), align=8)
        return k.finish()

    found = np.full(STEPS * 8, -1, np.int64)
    Compiled(emit, BEST)([np.zeros(1), found])
    return {int(x) for x in found if x >= 0}


@pytest.mark.parametrize("spread", [2, 4, 8])
def test_the_first_tiles_ask_for_every_line_of_the_next_panel_once(spread: int) -> None:
    shares = [requested(tile, spread) for tile in range(spread)]
    size = STEPS * STEP_BYTES
    assert sorted(line for share in shares for line in share) == list(range(size, 2 * size, 64))


def test_later_tiles_ask_for_what_they_read() -> None:
    lines = requested(9, 8)
    assert lines and lines <= set(range(0, STEPS * STEP_BYTES, 64))


def test_requests_for_the_next_panel_go_to_the_second_cache_level() -> None:
    kernel = matmul(30, 70, 40).kernel
    texts = []
    for spread in (0, 2):
        options = dict(contraction.schedules(kernel, Target("cpu", "x86-64-v4"))[0].options)
        schedule = Schedule.of("contraction", **(options | {"rows": 10, "prefetch": 4, "spread": spread}))
        module = ir.Module("test")
        contraction.emit(KernelContext(module, Target("cpu", "x86-64-v4"), {}), kernel, schedule, "kernel")
        texts.append(set(re.findall(r"prefetch.*i32 0, i32 (\d)", str(module))))
    assert texts == [{"3"}, {"2", "3"}]
