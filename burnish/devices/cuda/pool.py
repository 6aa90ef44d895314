"""GPU memory for results that stay on the GPU. It is reused when no pending work can still use it.

Work that the consumer gave to its own streams may still read a block that comes back. So the block is set aside. One
wait for the whole GPU makes all blocks set aside usable again. This costs a wait in some calls, instead of an
allocation and a wait (freeing is one) in each call.
"""

from __future__ import annotations

import sys
from collections import defaultdict

from burnish.devices.cuda.driver import Driver
from burnish.devices.cuda.memory import GpuMemory

MOST_ASIDE = 4  # blocks of one size set aside before waiting for the GPU
MOST_IDLE_BYTES = 256 << 20
GRAIN_BYTES = 512


class Block:
    """A block of memory from a pool. It returns to the pool when it is dropped."""

    __slots__ = ("_memory", "_pool", "address")

    def __init__(self, pool: Pool, memory: GpuMemory) -> None:
        self._pool, self._memory, self.address = pool, memory, memory.address

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self._pool.put_back(self._memory)


class Pool:
    """The pool of one session. One caller at a time takes blocks; any thread may give them back."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._clean: defaultdict[int, list[GpuMemory]] = defaultdict(list)
        self._aside: defaultdict[int, list[GpuMemory]] = defaultdict(list)
        self._idle_bytes = 0
        self._is_closed = False

    def take(self, size_bytes: int) -> Block:
        """E520 if there is not enough memory."""
        size_bytes = max(-(-size_bytes // GRAIN_BYTES), 1) * GRAIN_BYTES
        clean, aside = self._clean[size_bytes], self._aside[size_bytes]
        if not clean and (count := len(aside)) >= MOST_ASIDE:
            with self._driver.current():
                self._driver.synchronize_all()
            clean += aside[:count]
            del aside[:count]  # more blocks may have come back meanwhile; they wait for the next time
        if not clean:
            return Block(self, GpuMemory(self._driver, size_bytes))
        self._idle_bytes -= size_bytes
        return Block(self, clean.pop())

    def put_back(self, memory: GpuMemory) -> None:
        if self._is_closed or self._idle_bytes + memory.size_bytes > MOST_IDLE_BYTES:
            memory.free()
            return
        self._idle_bytes += memory.size_bytes
        self._aside[memory.size_bytes].append(memory)

    def close(self) -> None:
        """Free what is idle; blocks that are out are freed when they come back."""
        self._is_closed = True
        for blocks in (*self._clean.values(), *self._aside.values()):
            while blocks:
                blocks.pop().free()
