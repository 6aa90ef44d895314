"""Chains: kernels one after another on a strip of the result, and then on the next strip.

    for every strip of this thread's share:   call each stage as its only thread

Each stage is what its own template writes. The scratch memory of a thread holds the intermediates, then what a stage
needs for itself. A stage sees its slots where the strip begins.

dtypes   those of the stages
work     that of the stages, for every strip; what strips share (weights) is read once a strip
limits   as many strips as one likes; the number may be symbolic
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from itertools import accumulate

from llvmlite import ir

from burnish.dims import product
from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.kernels.strips import Between, Part
from burnish.kernels.task import Chain, Contraction, Kernel, Loops, Stage
from burnish.target import Target
from burnish.targets.cpu.builder import I8, I64, KernelBuilder, KernelContext
from burnish.targets.cpu.chain.options import ChainOptions
from burnish.targets.cpu.contraction.template import CONTRACTION
from burnish.targets.cpu.cpu_template import CpuTemplate
from burnish.targets.cpu.expressions.storage import storage_type
from burnish.targets.cpu.loops.template import LOOPS
from burnish.targets.template import Array

_STAGES: Mapping[type[Kernel], CpuTemplate[Kernel]] = {Loops: LOOPS, Contraction: CONTRACTION}  # type: ignore[dict-item]
_ALIGN_BYTES = 64


def schedules(kernel: Chain, target: Target, sizes: Mapping[str, int]) -> list[Schedule]:
    """One schedule: the best guess of each stage."""
    best = [_template(s).schedules(s.kernel, target, sizes)[0] for s in kernel.stages]
    return [ChainOptions.of(best).schedule]


def legal(kernel: Chain, schedule: Schedule, target: Target) -> bool:
    """Can each stage be written with its schedule? (Checked code is not: it knows where a kernel's own slots end.)"""
    if schedule.template != ChainOptions.template or target.is_checked:
        return False
    chosen = ChainOptions.read(schedule).schedules
    if len(chosen) != len(kernel.stages):
        return False
    return all(_template(s).legal(s.kernel, how, target) for s, how in zip(kernel.stages, chosen))


def pack(kernel: Chain, schedule: Schedule, slot: int, array: Array) -> Array:
    """A constant as the stage that reads it wants it."""
    for stage, how in zip(kernel.stages, ChainOptions.read(schedule).schedules):
        places = [p.slot for p in stage.parts]
        if slot in places:
            return _template(stage).pack(stage.kernel, how, places.index(slot), array)
    return array


def scratch_bytes(kernel: Chain, schedule: Schedule) -> int:
    """The intermediates, and what the hungriest stage needs."""
    pairs = zip(kernel.stages, ChainOptions.read(schedule).schedules)
    return sum(_aligned(b.size_bytes) for b in kernel.between) + max(
        _template(s).scratch_bytes(s.kernel, how) for s, how in pairs
    )


def emit(context: KernelContext, kernel: Chain, schedule: Schedule, name: str) -> ir.Function:
    """Write the stages, and the loop that calls them."""
    stages = []
    for n, (stage, how) in enumerate(zip(kernel.stages, ChainOptions.read(schedule).schedules)):
        function = _template(stage).emit(context, stage.kernel, how, f"{name}.stage{n}")
        function.attributes.add("noinline")
        stages.append(function)
    k = KernelBuilder(context, name, len(kernel.slots))
    starts = [0, *accumulate(_aligned(b.size_bytes) for b in kernel.between)]
    between = [k.address(k.scratch, start, I8) for start in starts]
    lo, hi = k.share(product(s.count for s in kernel.strips))
    with k.when(k.ir.icmp_signed("<", lo, hi)) if any(b.pads for b in kernel.between) else nullcontext():
        for place, each in zip(between, kernel.between):
            _fill_pads(k, place, each)
    with k.loop(lo, hi) as loop:
        coordinates = _coordinates(k, kernel, loop.index)
        for stage, function in zip(kernel.stages, stages):
            arguments = [
                _address(k, k.slots[p.slot] if p.slot >= 0 else between[-1 - p.slot], p, slot.dtype, coordinates)
                for p, slot in zip(stage.parts, stage.kernel.slots)
            ]
            k.ir.call(function, [*arguments, k.dims, between[-1], I64(0), I64(1)])
    return k.finish()


def _coordinates(k: KernelBuilder, kernel: Chain, number: ir.Value) -> list[ir.Value]:
    """The coordinates of a strip."""
    found: list[ir.Value] = []
    for n, strip in reversed(list(enumerate(kernel.strips))):
        own = number
        if n:
            own, number = k.ir.urem(number, k.dim(strip.count)), k.ir.udiv(number, k.dim(strip.count))
        found.insert(0, k.minimum(k.ir.mul(own, k.i64(strip.size)), k.dim(strip.last)))
    for rows in kernel.rows:
        place = k.ir.add(k.ir.mul(found[rows.of], k.i64(rows.step)), k.i64(rows.first))
        place = k.ir.select(k.ir.icmp_signed("<", place, k.i64(0)), k.i64(0), place)
        found.append(k.minimum(place, k.i64(rows.last)))
    return found


def _address(k: KernelBuilder, base: ir.Value, part: Part, dtype: DType, coordinates: Sequence[ir.Value]) -> ir.Value:
    """Where a slot of a stage begins."""
    offset: ir.Value = k.dim(part.offset)
    for coordinate, move in zip(coordinates, part.moves):
        if move != 0:
            offset = k.ir.add(offset, k.ir.mul(coordinate, k.dim(move)))
    return k.address(base, offset, storage_type(dtype))


def _fill_pads(k: KernelBuilder, place: ir.Value, between: Between) -> None:
    """The pads of an intermediate, run by run, in vectors and then byte by byte."""
    lanes = k.target.vector_bytes
    byte = ir.Constant(I8, between.fill)
    for pads in between.pads:
        whole = pads.size_bytes // lanes * lanes
        with k.loop(0, pads.count) as runs:
            start = k.ir.add(k.i64(pads.start), k.ir.mul(runs.index, k.i64(pads.step_bytes)))
            with k.loop(0, whole, lanes) as loop:
                k.ir.store(k.splat(byte, lanes), k.address(place, k.ir.add(start, loop.index), I8), align=1)
            with k.loop(whole, pads.size_bytes) as loop:
                k.ir.store(byte, k.address(place, k.ir.add(start, loop.index), I8), align=1)


def _template(stage: Stage) -> CpuTemplate[Kernel]:
    return _STAGES[type(stage.kernel)]


def _aligned(size: int) -> int:
    return -(-size // _ALIGN_BYTES) * _ALIGN_BYTES


CHAIN = CpuTemplate(
    kernel=Chain,
    schedules=schedules,
    legal=legal,
    emit=emit,
    options=ChainOptions,
    pack=pack,
    scratch_bytes=scratch_bytes,
)
