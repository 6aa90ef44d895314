"""The least time that a launch can take: its operations at the chip's peak, or its bytes at its memory's.

Peaks are those of `targets.cuda.chips`: one chip for each architecture, measured or rounded from its data sheet; the
one at hand may be another. Operations count at the rate of half-precision products, the highest there is; what lies in
L2 can come faster than memory's rate: more than 100 % is then no contradiction. Nothing is known of CPUs here.
"""

from __future__ import annotations

from burnish.target import Target


def limit_ms(target: Target, flops: float, size_bytes: float) -> float | None:
    """max(flops / peak, bytes / bandwidth); None for a target whose peaks are not known."""
    if target.kind != "cuda":
        return None
    from burnish.targets.cuda.chips import chip_of

    chip = chip_of(target)
    return max(flops / (chip.half_flops * chip.processors), size_bytes / chip.bandwidth) / 1e3
