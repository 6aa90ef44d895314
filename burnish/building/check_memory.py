"""The hard limit of a plan's memory: no variant may need more in total, at the profile's maximum."""

from __future__ import annotations

from collections.abc import Mapping, Sized

from burnish.dims import bounds
from burnish.errors import UserError
from burnish.kernels.arena import Arena
from burnish.kernels.task import Program
from burnish.plan.manifest import Variant


def check_memory(
    variant: Variant, blobs: Mapping[str, Sized], program: Program, arena: Arena, limit_bytes: int | None
) -> None:
    """E320 if weights, temporaries, inputs and outputs of one context need more than the limit.

    Not counted: machine code, a few KiB per thread, and tensors whose size depends on the data of a run.
    """
    if limit_bytes is None:
        return
    ranges = program.ranges
    weights = sum(len(blobs[name]) for name in {s.blob for s in variant.storages if s.kind == "constant"})
    surface = sum(bounds(s.size, ranges)[1] for s in variant.storages if s.kind in ("input", "output"))
    needed = weights + variant.arena_bytes + surface
    if needed <= limit_bytes:
        return
    own = variant.arena_bytes - arena.size_bytes
    parts = [
        f"weights take {weights:,}",
        f"temporaries {arena.size_bytes:,}",
        f"the kernels' own memory (parts of split sums) {own:,}",
        f"inputs and outputs {surface:,}",
    ]
    raise UserError(
        "E320",
        f"the plan needs {needed:,} bytes of memory; the limit is {limit_bytes:,}",
        where=variant.target,
        why=", ".join(parts),
        hint="raise --max-memory, or lower the profile's maximum shapes",
    )
