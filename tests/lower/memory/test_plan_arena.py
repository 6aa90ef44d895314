"""The arena: what lives at the same time never shares a byte; halos share only with their own kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.errors import UserError
from burnish.kernels.arena import Arena
from burnish.lower.memory.plan_arena import Lifetime, plan_arena
from burnish.plan.native_abi import STORAGE_ALIGN_BYTES


@st.composite
def lifetimes(draw: st.DrawFn) -> list[Lifetime]:
    found = []
    for number in range(draw(st.integers(1, 25))):
        first = draw(st.integers(0, 20))
        geometry = draw(st.sampled_from(["", "", "", "a", "b"]))
        size = {"a": 640, "b": 1000}.get(geometry) or draw(st.integers(0, 5000))
        fill = draw(st.sampled_from([0, 0, 3, 128])) if geometry else 0
        found.append(Lifetime(number, size, first, first + draw(st.integers(0, 8)), geometry, fill))
    return found


def overlap(arena: Arena, x: Lifetime, y: Lifetime) -> bool:
    a, b = arena.offsets[x.storage], arena.offsets[y.storage]
    return a < b + y.size_bytes and b < a + x.size_bytes


@given(lifetimes())
def test_lifetimes_that_overlap_never_share_bytes(given_: list[Lifetime]) -> None:
    arena = plan_arena(given_)
    for i, x in enumerate(given_):
        assert arena.offsets[x.storage] % STORAGE_ALIGN_BYTES == 0
        assert arena.offsets[x.storage] + x.size_bytes <= arena.size_bytes
        for y in given_[i + 1 :]:
            if x.first <= y.last and y.first <= x.last:
                assert not overlap(arena, x, y) or 0 in (x.size_bytes, y.size_bytes)


@given(lifetimes())
def test_a_halo_shares_bytes_only_with_its_own_geometry(given_: list[Lifetime]) -> None:
    arena = plan_arena(given_)
    for i, x in enumerate(given_):
        if x.geometry:
            zeros = (0, arena.zero_bytes, 0)
            start, size, byte = next(f for f in (zeros, *arena.fills) if arena.offsets[x.storage] < f[0] + f[1])
            assert start <= arena.offsets[x.storage] and arena.offsets[x.storage] + x.size_bytes <= start + size
            assert byte == x.fill
        for y in given_[i + 1 :]:
            if (x.geometry, x.fill) != (y.geometry, y.fill):
                assert not overlap(arena, x, y) or 0 in (x.size_bytes, y.size_bytes)


@given(lifetimes())
def test_the_peak_is_at_most_the_sum_and_at_least_what_lives_at_once(given_: list[Lifetime]) -> None:
    arena = plan_arena(given_)
    aligned = [-(-max(x.size_bytes, 1) // STORAGE_ALIGN_BYTES) * STORAGE_ALIGN_BYTES for x in given_]
    assert arena.size_bytes <= sum(aligned)
    for time in range(30):
        assert arena.size_bytes >= sum(x.size_bytes for x in given_ if x.first <= time <= x.last)


def test_a_chain_needs_two_buffers() -> None:
    chain = [Lifetime(i, 1024, i, i + 1) for i in range(10)]
    assert plan_arena(chain).size_bytes == 2048


def test_a_workspace_that_is_too_small_is_refused_with_both_sizes() -> None:
    with pytest.raises(UserError, match=r"E320.*2,097,152 bytes.*1,048,576"):
        plan_arena([Lifetime(0, 2 << 20, 0, 1)], limit_bytes=1 << 20)
