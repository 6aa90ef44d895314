"""Who leaves the memory when another model needs it, with versions that only say what they hold."""

import asyncio

import pytest

from burnish.serve.repository.room import Room
from burnish.serve.status import Code, ServeError


class Held:
    def __init__(self, room, name, memory_bytes, used_ns=0, is_kept=False):
        self.room, self.name, self.number, self.memory_bytes = room, name, 1, memory_bytes
        self.last_used_ns, self.is_kept, self.is_busy, self.parked = used_ns, is_kept, False, 0
        room.enter(self)

    @property
    def is_idle(self):
        return not self.is_busy and not self.is_kept

    async def park(self):
        await asyncio.sleep(0)
        self.parked, self.memory_bytes = self.memory_bytes, 0


def test_the_one_that_was_used_least_recently_leaves_and_no_more_than_needed():
    async def go():
        room = Room(100)
        old, older, young = Held(room, "a", 30, 2), Held(room, "b", 30, 1), Held(room, "c", 30, 3)
        await room.reserve("d", 35)
        assert [v.parked for v in (old, older, young)] == [0, 30, 0]
        assert room.used_bytes == 95
        room.release(35)
        assert room.used_bytes == 60

    asyncio.run(go())


def test_what_is_kept_or_busy_stays_and_a_load_waits_until_it_is_idle():
    async def go():
        room = Room(100)
        kept, busy = Held(room, "a", 40, is_kept=True), Held(room, "b", 50)
        busy.is_busy = True
        waiting = asyncio.ensure_future(room.reserve("c", 60))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        busy.is_busy = False
        room.changed()
        await waiting
        assert (kept.parked, busy.parked) == (0, 50)

    asyncio.run(go())


def test_a_load_that_cannot_fit_says_so_at_once_and_one_that_waited_too_long_may_be_tried_again():
    async def go():
        room = Room(100, patience_s=0.02)
        Held(room, "a", 40, is_kept=True)
        with pytest.raises(ServeError, match=r"'c' needs 70 bytes.*may use 100.*kept loaded hold 40") as caught:
            await room.reserve("c", 70)
        assert caught.value.code is Code.INTERNAL
        Held(room, "b", 50).is_busy = True
        with pytest.raises(ServeError, match="which models that are busy hold") as caught:
            await room.reserve("c", 60)
        assert caught.value.code is Code.UNAVAILABLE
        assert room.used_bytes == 90

    asyncio.run(go())


def test_loads_at_the_same_time_do_not_get_the_same_room():
    async def go():
        room = Room(100, patience_s=0.02)
        found = await asyncio.gather(*(room.reserve(n, 60) for n in "ab"), return_exceptions=True)
        assert [isinstance(f, ServeError) for f in found] == [False, True]

    asyncio.run(go())


def test_without_a_limit_nobody_leaves():
    async def go():
        room = Room()
        version = Held(room, "a", 1 << 60)
        await room.reserve("b", 1 << 60)
        assert not version.parked

    asyncio.run(go())
