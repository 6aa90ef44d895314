"""The least time for a launch: its operations at the chip's peak rate, or its bytes at the memory's peak rate.

Peaks are those of one chip for each architecture, measured or rounded from its data sheet (`targets.hardware`). The
chip of this machine may be another one. Operations count at the rate of half-precision products, the highest rate.
Data in L2 can arrive faster than the memory's rate, so values above 100 % are possible. There are no peaks for CPUs.
"""

from __future__ import annotations

from burnish.target import Target
from burnish.targets import hardware_of


def limit_ms(target: Target, flops: float, size_bytes: float) -> float | None:
    """max(flops / peak, bytes / bandwidth); None for a target with unknown peaks."""
    peaks = hardware_of(target).peaks
    return None if peaks is None else max(flops / peaks.flop_per_us, size_bytes / peaks.bytes_per_us) / 1e3
