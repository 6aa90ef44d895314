"""The least time for a launch: its operations at the chip's peak rate, or its bytes at the memory's peak rate.

Peaks come from `targets.cuda.chips`: one chip for each architecture, measured or rounded from its data sheet. The chip
of this machine may be another one. Operations count at the rate of half-precision products, the highest rate. Data in
L2 can arrive faster than the memory's rate, so values above 100 % are possible. There are no peaks for CPUs.
"""

from __future__ import annotations

from burnish.target import Target


def limit_ms(target: Target, flops: float, size_bytes: float) -> float | None:
    """max(flops / peak, bytes / bandwidth); None for a target with unknown peaks."""
    if target.kind != "cuda":
        return None
    from burnish.targets.cuda.chips import chip_of

    chip = chip_of(target)
    return max(flops / (chip.half_flops * chip.processors), size_bytes / chip.bandwidth) / 1e3
