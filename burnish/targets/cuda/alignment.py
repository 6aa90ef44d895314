"""The alignment of the addresses of a kernel's slots: a slice of a tensor may begin at any of its elements.

A kernel is compiled once for all its launches, so it may assume only what holds in each of them. Storages begin at
multiples of far more than 16 bytes, which is enough for wide loads and the copy engine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from burnish.dims import divisor
from burnish.kernels.task import Launch
from burnish.targets.cuda.source import Pointer, Source, TensorMap

MOST_BYTES = 16
Alignment = tuple[int, ...]  # bytes, by slot


def slot_alignments(launches: Iterable[Launch]) -> dict[str, Alignment]:
    """By kernel key."""
    found: dict[str, Alignment] = {}
    for launch in launches:
        slots = zip(launch.kernel.slots, launch.bindings)
        here = tuple(math.gcd(MOST_BYTES, divisor(at.offset) * slot.dtype.size_bytes) for slot, at in slots)
        others = found.get(launch.kernel.key, here)
        found[launch.kernel.key] = tuple(min(a, b) for a, b in zip(here, others))
    return found


def is_possible(source: Source, alignment: Alignment) -> bool:
    """Do all tensor maps of the source begin at addresses that the copy engine accepts?"""
    return all(alignment[p.slot] == MOST_BYTES for p in source.parameters if isinstance(p, TensorMap))


def promise(source: Source, alignment: Alignment) -> Source:
    """The source, with no pointer that claims more alignment than it has."""
    parameters = tuple(
        replace(p, divisible=min(p.divisible, alignment[p.slot])) if isinstance(p, Pointer) else p
        for p in source.parameters
    )
    return replace(source, parameters=parameters)
