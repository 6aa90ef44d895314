"""On devices that upload constants, every repeat of a trial gets separate memory for the same bytes.

A network reads its weights from memory, not from a cache. Packing and hashing enough copies of them to fill a cache
would cost more than compiling and timing the candidates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from burnish.plan.manifest import Argument, KernelStep, ScalarArgument, StorageSpec, Variant

Blob = bytes | memoryview


def rotate_constants(variant: Variant, blobs: Mapping[str, Blob], least_bytes: int) -> tuple[Variant, dict[str, Blob]]:
    """Each step but the first reads constants of `least_bytes` or more from storages of its own, with equal content."""
    storages, found = list(variant.storages), dict(blobs)
    assert [s.number for s in storages] == list(range(len(storages)))
    large = {
        s.number: s for s in storages if s.kind == "constant" and isinstance(s.size, int) and s.size >= least_bytes
    }
    steps = list(variant.steps)
    for turn, step in enumerate(variant.steps[1:], 1):
        assert isinstance(step, KernelStep), step
        own: dict[int, int] = {}
        arguments = tuple(_own(a, large, own, len(storages)) for a in step.arguments)
        for origin, number in own.items():
            blob = f"{large[origin].blob}/{turn}"
            found[blob] = blobs[large[origin].blob]
            storages.append(StorageSpec(number, "constant", large[origin].size, blob=blob))
        steps[turn] = replace(step, arguments=arguments)
    return replace(variant, storages=tuple(storages), steps=tuple(steps)), found


def _own(argument: Argument, large: Mapping[int, StorageSpec], own: dict[int, int], first: int) -> Argument:
    """Replace a large constant by a storage of the step's own; `own`: its storages so far, numbered from `first`."""
    if isinstance(argument, ScalarArgument) or argument.storage not in large:
        return argument
    return replace(argument, storage=own.setdefault(argument.storage, first + len(own)))
