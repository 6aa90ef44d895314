"""Place every temporary in one arena; lifetimes that overlap never share bytes.

Sizes are taken at the profile's maximum, so one allocation serves every shape inside it. A storage with a halo keeps
zeros (or another byte: a zero point) around its interior, and no kernel writes them again (unless renew_halos.py made
a launch that does: then it has no geometry here). Such storages share bytes only with others of exactly the same
geometry and byte. They are at the start of the arena, zeros first, which the runtime fills when shapes are bound.

Source: best fit by decreasing size, Pisarchyk and Lee 2020 (arXiv 2001.03288).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from burnish.errors import UserError
from burnish.kernels.arena import Arena
from burnish.plan.native_abi import STORAGE_ALIGN_BYTES


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A storage, its size at the profile's maximum, and the first and last launch that touch it (inclusive)."""

    storage: int
    size_bytes: int
    first: int
    last: int
    geometry: str = ""  # not empty: has a halo; shares only with equal geometries
    fill: int = 0  # the byte of the halo


def plan_arena(lifetimes: Sequence[Lifetime], limit_bytes: int | None = None) -> Arena:
    """Offsets for all storages. The peak is at least the largest total that is alive at one time.

    cost:    O(n^2) in the number of storages
    raises:  E320 if the arena would be larger than the limit
    """
    offsets: dict[int, int] = {}
    end = zero_bytes = 0
    fills: list[tuple[int, int, int]] = []
    for fill, geometry in sorted({(x.fill, x.geometry) for x in lifetimes if x.geometry}):
        start, group = end, [x for x in lifetimes if (x.fill, x.geometry) == (fill, geometry)]
        end = _place_slots(group, start, offsets)
        if not fill:
            zero_bytes = end
        elif fills and fills[-1][2] == fill:
            fills[-1] = fills[-1][0], end - fills[-1][0], fill
        else:
            fills.append((start, end - start, fill))
    size = _place([x for x in lifetimes if not x.geometry], end, offsets)
    if limit_bytes is not None and size > limit_bytes:
        raise UserError(
            "E320",
            f"the plan needs {size:,} bytes for temporaries alone; the limit of all memory is {limit_bytes:,}",
            why="temporaries that live at the same time do not fit",
            hint="raise --max-memory, or lower the profile's maximum shapes",
        )
    return Arena(offsets, size, zero_bytes, tuple(fills))


def _place_slots(group: Sequence[Lifetime], start: int, offsets: dict[int, int]) -> int:
    """Place storages of equal size in whole slots. Lifetimes that follow one another reuse a slot."""
    free_at: list[int] = []
    size = _aligned(max(x.size_bytes for x in group))
    for x in sorted(group, key=lambda x: (x.first, x.storage)):
        slot = next((i for i, busy in enumerate(free_at) if busy < x.first), len(free_at))
        if slot == len(free_at):
            free_at.append(-1)
        free_at[slot] = x.last
        offsets[x.storage] = start + slot * size
    return start + len(free_at) * size


def _place(lifetimes: Sequence[Lifetime], start: int, offsets: dict[int, int]) -> int:
    placed: list[tuple[int, int, Lifetime]] = []
    end = start
    for x in sorted(lifetimes, key=lambda x: (-x.size_bytes, x.first, x.storage)):
        taken = sorted((a, b) for a, b, y in placed if y.first <= x.last and x.first <= y.last)
        best, best_gap, cursor = -1, -1, start
        need = _aligned(x.size_bytes)
        for a, b in taken:
            gap = a - cursor
            if gap >= need and (best < 0 or gap < best_gap):
                best, best_gap = cursor, gap
            cursor = max(cursor, b)
        offset = best if best >= 0 else cursor
        placed.append((offset, offset + need, x))
        offsets[x.storage] = offset
        end = max(end, offset + need)
    return end


def _aligned(size: int) -> int:
    return -(-max(size, 1) // STORAGE_ALIGN_BYTES) * STORAGE_ALIGN_BYTES
