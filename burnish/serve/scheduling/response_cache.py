"""Answers kept for requests that come again: least recently used go first, by their bytes.

The key is made of the loaded version and the inputs. Parameters, the request's id and how tensors are encoded are no
part of it, as with Triton; unlike there, an answer goes when its model is unloaded or loaded again, and one that holds
only some outputs is none for a request that wants others.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from burnish.serve.datatypes import BYTES
from burnish.serve.job import Job, now_ns
from burnish.serve.request import Request, Tensor
from burnish.serve.scheduling import Scheduler
from burnish.serve.scheduling.observer import Observer

Key = tuple[int, bytes]
OVERHEAD_BYTES = 256  # of an entry and of a tensor, besides its elements
STRING_BYTES = 40  # of a string, besides its characters


@dataclass(frozen=True, slots=True)
class Entry:
    """is_whole: it has all outputs that the model gives."""

    outputs: Mapping[str, Tensor]
    is_whole: bool
    size_bytes: int

    def serves(self, wanted: Sequence[str]) -> bool:
        return self.is_whole or (bool(wanted) and all(name in self.outputs for name in wanted))


class ResponseCache:
    """One a server; a loaded version has a scope of its own in it. The counters are those of the metrics."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = self.lookups = self.hits = self.evictions = 0
        self.lookup_ns = self.insert_ns = 0
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._scopes: dict[int, set[bytes]] = {}
        self._next_scope = 0

    @property
    def entries(self) -> int:
        return len(self._entries)

    @property
    def misses(self) -> int:
        return self.lookups - self.hits

    @property
    def utilization(self) -> float:
        return self.used_bytes / self.limit_bytes if self.limit_bytes else 0.0

    def open_scope(self) -> int:
        self._next_scope += 1
        self._scopes[self._next_scope] = set()
        return self._next_scope

    def close_scope(self, scope: int) -> None:
        """What it holds is forgotten, and nothing more goes in."""
        for digest in self._scopes.pop(scope, ()):
            self.used_bytes -= self._entries.pop((scope, digest)).size_bytes

    def look_up(self, key: Key, wanted: Sequence[str]) -> Entry | None:
        start = now_ns()
        self.lookups += 1
        entry = self._entries.get(key)
        if entry is not None and not entry.serves(wanted):
            entry = None
        if entry is not None:
            self._entries.move_to_end(key)
            self.hits += 1
        self.lookup_ns += now_ns() - start
        return entry

    def insert(self, key: Key, outputs: Sequence[Tensor], is_whole: bool) -> bool:
        """Keep a copy. False if it is too large, if its scope is closed, or if as much is there already."""
        scope, digest = key
        digests = self._scopes.get(scope)
        size_bytes = OVERHEAD_BYTES + sum(_size(t) for t in outputs)
        if digests is None or size_bytes > self.limit_bytes:
            return False
        old = self._entries.get(key)
        if old is not None:
            if old.is_whole or not (is_whole or len(outputs) > len(old.outputs)):
                return False
            self._remove(key)
        start = now_ns()
        while self.used_bytes + size_bytes > self.limit_bytes:
            self._remove(next(iter(self._entries)))
            self.evictions += 1
        self._entries[key] = Entry({t.name: _copy(t) for t in outputs}, is_whole, size_bytes)
        digests.add(digest)
        self.used_bytes += size_bytes
        self.insert_ns += now_ns() - start
        return True

    def _remove(self, key: Key) -> None:
        self.used_bytes -= self._entries.pop(key).size_bytes
        self._scopes[key[0]].discard(key[1])


class CachingScheduler:
    """A Scheduler before another: answers out of the cache what it can."""

    def __init__(self, inner: Scheduler, cache: ResponseCache, outputs: Sequence[str], observer: Observer) -> None:
        self._inner, self._cache, self._observer = inner, cache, observer
        self._outputs = frozenset(outputs)
        self._scope = cache.open_scope()
        self._is_closed = False

    @property
    def pending(self) -> int:
        return self._inner.pending

    def submit(self, job: Job) -> None:
        start = now_ns()
        wanted = job.request.wanted
        key = (self._scope, digest_of(job.request))
        entry = None if self._is_closed else self._cache.look_up(key, wanted)
        lookup_ns = now_ns() - start
        if entry is not None:
            job.started_ns = start
            job.answer(list(entry.outputs.values()))
            self._observer.cache_hit(job, lookup_ns)
            return
        is_whole = not wanted or self._outputs.issubset(wanted)

        def keep(outputs: list[Tensor]) -> list[Tensor]:
            insert_start = now_ns()
            if self._cache.insert(key, outputs, is_whole):
                self._observer.cache_missed(job, lookup_ns + now_ns() - insert_start)
            return outputs

        job.on_outputs = keep
        job.on_end.append(_let_go)
        self._inner.submit(job)

    def close(self) -> None:
        self._is_closed = True
        self._cache.close_scope(self._scope)
        self._inner.close()


def _let_go(job: Job) -> None:
    """It and what keeps its outputs hold each other: that would stay until the collector comes."""
    job.on_outputs = None


def digest_of(request: Request) -> bytes:
    """The same for equal inputs, in whatever order they came."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(request.inputs):
        tensor = request.inputs[name]
        digest.update(repr((name, tensor.datatype, tensor.shape)).encode())
        if tensor.datatype == BYTES:
            for element in tensor.data.reshape(-1):
                digest.update(len(element).to_bytes(8, "little"))
                digest.update(element)
        else:
            digest.update(np.ascontiguousarray(tensor.data).view(np.uint8).data if tensor.data.size else b"")
    return digest.digest()


def _size(tensor: Tensor) -> int:
    if tensor.datatype == BYTES:
        return OVERHEAD_BYTES + sum(len(e) + STRING_BYTES for e in tensor.data.reshape(-1))
    return OVERHEAD_BYTES + tensor.data.nbytes


def _copy(tensor: Tensor) -> Tensor:
    """Of its own memory, for an answer may be a view into a buffer that is used again."""
    data = np.array(tensor.data, order="C")
    data.flags.writeable = False
    return Tensor(tensor.name, tensor.datatype, data)
