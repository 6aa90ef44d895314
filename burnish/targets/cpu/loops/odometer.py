"""Counts through several axes in one loop, so that one thread's share can be any part [lo, hi) of their product."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from llvmlite import ir

from burnish.dims import Dim, maximum
from burnish.targets.cpu.builder import I64, KernelBuilder


@contextmanager
def odometer(b: KernelBuilder, lo: ir.Value, hi: ir.Value, extents: Sequence[Dim]) -> Iterator[list[ir.Value]]:
    """One loop over [lo, hi) that counts like an odometer: an index for each extent, the last one fastest.

    cost: a division per axis before the loop, an addition, a comparison and a selection per axis in it
    """
    moving = [n for n, e in enumerate(extents) if e != 1]
    start, rest = {}, lo
    for n in reversed(moving[1:]):
        size = b.dim(maximum(extents[n], 1))
        quotient = b.ir.udiv(rest, size)
        start[n] = b.ir.sub(rest, b.ir.mul(quotient, size))
        rest = quotient
    if moving:
        start[moving[0]] = rest
    with b.loop(lo, hi, carried=[start[n] for n in moving]) as loop:
        current = dict(zip(moving, loop.carried))
        yield [current.get(n, b.i64(0)) for n in range(len(extents))]
        following = {}
        step: ir.Value = b.i64(1)
        for n in reversed(moving):
            up = b.ir.add(current[n], step)
            if n == moving[0]:
                following[n] = up
                break
            wraps = b.ir.icmp_signed("==", up, b.dim(extents[n]))
            following[n] = b.ir.select(wraps, b.i64(0), up)
            step = b.ir.zext(wraps, I64)
        loop.next = [following[n] for n in moving]
