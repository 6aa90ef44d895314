"""LSTM, GRU and RNN, cpu.    state_t = cell(x_t W + state_{t-1} R + bias)

layout   W and R packed by gate and block of hidden units (layout.py); everything else at any strides
dtypes   f32, f64; f16 and bf16 in f32
work     2 * time * batch * directions * gates * hidden * (inputs + hidden) flop
how      a unit is one direction of a few sequences. The inputs of a few time steps are projected at once, then the
         steps follow: for each block of hidden units all gates are accumulated side by side, with enough independent
         chains to hide the latency, and finished in registers. Units are shared out over the threads, without barriers
         An LSTM may round its states before each product (round_states.py); one unit then has the whole batch
limits   any sizes; hidden and input sizes are static, time and batch may be dims; weights that are not constants are
         packed at the start of every run
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from llvmlite import ir

from burnish.dims import Dim, floordiv
from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import RecurrentTask
from burnish.kernels.usual_size import usual_size
from burnish.target import Target
from burnish.targets.cpu.builder import KernelBuilder, KernelContext
from burnish.targets.cpu.cpu_template import CpuTemplate
from burnish.targets.cpu.hardware import SERIAL_NS
from burnish.targets.cpu.recurrent.copy import copy_packed
from burnish.targets.cpu.recurrent.layout import GATES, Layout, layout, pack_weight, rounds_states, slot_numbers
from burnish.targets.cpu.recurrent.options import RecurrentOptions
from burnish.targets.cpu.recurrent.steps import Sequences

Array = np.ndarray[Any, Any]


def schedules(kernel: RecurrentTask, target: Target, sizes: Mapping[str, int] | None = None) -> list[Schedule]:
    """Legal schedules, the likely fastest first."""

    def size(value: Dim) -> int:
        return usual_size(value, sizes or {})

    time, batch, inputs = kernel.slots[0].shape
    gates = GATES[kernel.kind]
    width = _width(kernel, target)
    limit = (24 if target.level == "x86-64-v4" else 12) // gates
    fitting = [n for n in (4, 3, 2, 1) if n <= limit and isinstance(batch, int) and batch % n == 0] or [1]
    if rounds_states(kernel):
        fitting = [size(batch)]  # the states of all sequences have one range
    steps = min(8, time) if isinstance(time, int) else 8
    found: list[RecurrentOptions] = []
    for rows in fitting:
        units = size(kernel.slots[1].shape[0]) * size(batch) // rows
        per_step = 100.0 + 2.0 * rows * gates * kernel.hidden_size * (size(inputs) + kernel.hidden_size) / (2.0 * width)
        is_serial = units < 2 or units * size(time) * per_step / 3.0 < SERIAL_NS
        order = ("serial", "units") if is_serial else ("units", "serial")
        found += [RecurrentOptions(width=width, rows=rows, steps=max(steps, 1), split=s) for s in order]
    return [each.schedule for each in sorted(found, key=lambda each: each.split != found[0].split)]


def legal(kernel: RecurrentTask, schedule: Schedule, target: Target) -> bool:
    """Can `emit` write this kernel with this schedule?"""
    return schedule in schedules(kernel, target)


def pack(kernel: RecurrentTask, schedule: Schedule, slot: int, array: Array) -> Array:
    """W and R as the steps read them."""
    if not kernel.packed or slot not in (1, 2):
        return array
    return pack_weight(array, layout(kernel, RecurrentOptions.read(schedule)))


def scratch_bytes(kernel: RecurrentTask, schedule: Schedule) -> int:
    """Scratch memory for projections and states, and for the packed weights if they are not constants."""
    shape = layout(kernel, RecurrentOptions.read(schedule))
    elements = shape.scratch_elements
    if not kernel.packed:
        elements += shape.directions * (shape.packed_elements(shape.inputs) + shape.packed_elements(shape.hidden))
    return elements * shape.accumulator.size_bytes


def emit(context: KernelContext, kernel: RecurrentTask, schedule: Schedule, name: str) -> ir.Function:
    """The kernel's function."""
    b = KernelBuilder(context, name, len(kernel.slots))
    options = RecurrentOptions.read(schedule)
    shape, is_serial = layout(kernel, options), options.is_serial
    if is_serial:
        b.only_thread_zero()
    weights = [b.slots[1], b.slots[2]] if kernel.packed else _pack_now(b, kernel, shape)
    tiles = b.dim(floordiv(kernel.slots[0].shape[1], shape.rows))
    zero = b.i64(0)
    lo, hi = (zero, b.ir.mul(tiles, b.i64(shape.directions))) if is_serial else b.share(_units(kernel, shape))
    for direction in range(shape.directions):
        first = b.ir.mul(tiles, b.i64(direction))
        start, end = b.ir.sub(lo, first), b.minimum(b.ir.sub(hi, first), tiles)
        start = b.ir.select(b.ir.icmp_signed(">", start, zero), start, zero)
        with b.loop(start, end) as tile:
            row = b.ir.mul(tile.index, b.i64(shape.rows))
            Sequences(b, kernel, shape, (weights[0], weights[1]), direction, row).run()
    return b.finish()


def _units(kernel: RecurrentTask, shape: Layout) -> Dim:
    return floordiv(kernel.slots[0].shape[1], shape.rows) * shape.directions


def _width(kernel: RecurrentTask, target: Target) -> int:
    """Full lanes, or the power of two that holds all hidden units."""
    lanes = target.vector_bytes // (8 if kernel.slots[0].dtype is DType.F64 else 4)
    while lanes >= 2 * kernel.hidden_size and lanes > 2:
        lanes //= 2
    return lanes


def _pack_now(b: KernelBuilder, kernel: RecurrentTask, shape: Layout) -> list[ir.Value]:
    """Copy the current W and R into scratch memory in packed form."""
    size = shape.accumulator.size_bytes
    place = shape.scratch_elements * size
    found = []
    for slot, depth in ((slot_numbers(kernel)["w"], shape.inputs), (slot_numbers(kernel)["r"], shape.hidden)):
        found.append(b.address(b.scratch, place, ir.IntType(8)))
        copy_packed(b, kernel.slots[slot], b.slots[slot], found[-1], shape, depth)
        place += shape.directions * shape.packed_elements(depth) * size
    return found


RECURRENT = CpuTemplate(
    kernel=RecurrentTask,
    schedules=schedules,
    legal=legal,
    emit=emit,
    options=RecurrentOptions,
    pack=pack,
    scratch_bytes=scratch_bytes,
)
