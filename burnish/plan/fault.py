"""How checked code records the first address outside its slot: one word at the start of each thread's memory.

(1 + launch) * 65536 + slot * 2 + (1 for a store, 0 for a load);  0: nothing left its slot
"""

from __future__ import annotations

from burnish.errors import InternalError
from burnish.plan.manifest import Variant

PER_LAUNCH = 1 << 16
PER_SLOT = 2


def fault_error(note: int, variant: Variant) -> InternalError:
    """E519, which names the launch that accessed memory outside its own."""
    launch = variant.launches[note // PER_LAUNCH - 1]
    slot, verb = note % PER_LAUNCH // PER_SLOT, "wrote" if note % PER_SLOT else "read"
    return InternalError(
        "E519",
        f"'{launch.name}' {verb} outside its slot {slot}",
        where=f"{launch.kernel} [{launch.tactic}], nodes {', '.join(launch.nodes) or 'none'}",
        why="checked code compares every address with the bytes of the tensor that it is for",
        hint="please report it, with the model and the shapes of this call",
    )
