"""Copies weights that are computed during the run into the packed layout, before the first step."""

from __future__ import annotations

from llvmlite import ir

from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.targets.cpu.builder import KernelBuilder
from burnish.targets.cpu.expressions import arithmetic, storage
from burnish.targets.cpu.recurrent.layout import Layout


def copy_packed(b: KernelBuilder, slot: Slot, source: ir.Value, target: ir.Value, shape: Layout, depth: int) -> None:
    """[direction, gate * hidden, depth] -> [direction][block][depth][gate][lane], zeros at the end of the last block.

    cost: one scalar copy of the weights per thread and run
    """
    element = storage.register_type(shape.accumulator)
    strides = [b.dim(s) for s in slot.strides]
    with b.loop(0, shape.directions) as d, b.loop(0, shape.gates) as g, b.loop(0, shape.padded) as unit:
        lane = b.ir.urem(unit.index, b.i64(shape.width))
        block = b.ir.udiv(unit.index, b.i64(shape.width))
        is_real = b.ir.icmp_signed("<", unit.index, b.i64(shape.hidden))
        row = b.ir.add(b.ir.mul(g.index, b.i64(shape.hidden)), unit.index)
        row = b.ir.select(is_real, row, b.i64(0))
        start = b.ir.add(b.ir.mul(d.index, strides[0]), b.ir.mul(row, strides[1]))
        with b.loop(0, depth) as k:
            place = b.address(source, b.ir.add(start, b.ir.mul(k.index, strides[2])), storage.storage_type(slot.dtype))
            raw = b.load(place, storage.storage_type(slot.dtype), slot.dtype.size_bytes)
            value = _widened(b, slot.dtype, shape.accumulator, raw)
            value = b.ir.select(is_real, value, ir.Constant(element, 0.0))
            at = b.ir.add(b.ir.mul(d.index, b.i64(shape.blocks)), block)
            at = b.ir.add(b.ir.mul(at, b.i64(depth)), k.index)
            at = b.ir.add(b.ir.mul(at, b.i64(shape.gates)), g.index)
            at = b.ir.add(b.ir.mul(at, b.i64(shape.width)), lane)
            b.ir.store(value, b.address(target, at, element), align=shape.accumulator.size_bytes)


def _widened(b: KernelBuilder, dtype: DType, accumulator: DType, raw: ir.Value) -> ir.Value:
    return arithmetic.cast(b, dtype, accumulator, storage.to_register(b, dtype, raw))
