"""The order in which Triton goes through a request's inputs: that of a C++ hash table of their names.

It decides which of several faults a client is told. The table is libstdc++'s `unordered_map`: a chain of all elements,
in which those of one bucket stand together, new ones in front.
"""

from __future__ import annotations

from collections.abc import Iterable

_SEED, _FACTOR, _MASK = 0xC70F6907, 0xC6A4A7935BD1E995, (1 << 64) - 1
# How many buckets a table has that holds so many elements at most, as it grows.
_BUCKETS = (13, 29, 59, 127, 257, 541, 1109)


def in_hash_order(names: Iterable[str]) -> list[str]:
    """The names as the table lists them if they are put into it one after the other. O(n^2), for a few hundred."""
    chain: list[tuple[str, int]] = []
    buckets = _BUCKETS[0]
    for name in names:
        if len(chain) == buckets:
            buckets = next((b for b in _BUCKETS if b > buckets), 2 * buckets + 1)
            chain = _regrouped(chain, buckets)
        value = _hash(name.encode("utf-8", "surrogateescape"))
        _insert(chain, (name, value), buckets)
    return [name for name, _ in chain]


def _insert(chain: list[tuple[str, int]], element: tuple[str, int], buckets: int) -> None:
    """Before the others of its bucket; to the front of all if there are none."""
    bucket = element[1] % buckets
    chain.insert(next((n for n, (_, value) in enumerate(chain) if value % buckets == bucket), 0), element)


def _regrouped(chain: list[tuple[str, int]], buckets: int) -> list[tuple[str, int]]:
    grown: list[tuple[str, int]] = []
    for element in chain:
        _insert(grown, element, buckets)
    return grown


def _hash(data: bytes) -> int:
    """MurmurHash2 for 64 bits, as libstdc++ has it."""
    whole = len(data) & ~7
    value = _SEED ^ (len(data) * _FACTOR & _MASK)
    for place in range(0, whole, 8):
        part = int.from_bytes(data[place : place + 8], "little") * _FACTOR & _MASK
        value = (value ^ ((part ^ part >> 47) * _FACTOR & _MASK)) * _FACTOR & _MASK
    if whole < len(data):
        value = (value ^ int.from_bytes(data[whole:], "little")) * _FACTOR & _MASK
    value = (value ^ value >> 47) * _FACTOR & _MASK
    return value ^ value >> 47
