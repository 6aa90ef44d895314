"""Compare two plans: every field of the manifest, and every blob by hash and size.

Launches are matched by kernel and ONNX nodes, so a launch that moved is not reported as removed and added.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from burnish.dims import format_shape
from burnish.plan.manifest import LaunchSpec, Manifest, SymbolRange, Variant, code_blobs
from burnish.plan.reader import Contents

LONGEST = 160  # the most letters shown of a field without a special format


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. If only one plan has the thing, the other side is "".

    section  options, inputs, symbols, targets, launches, steps, notes ...: a field of the manifest; or blobs, signed by
    name     which one: for a launch its target and number, for a blob its name
    """

    section: str
    name: str
    old: str
    new: str


def difference(old: Contents, new: Contents) -> list[Change]:
    """Empty if, and only if, the plans do the same: equal manifests, blobs and signers."""
    found = list(_manifest(old, new))
    found += _by_name("blobs", _blobs(old), _blobs(new))
    found += _one("signed by", "", old.public_key.hex(), new.public_key.hex())
    return found


def _manifest(old: Contents, new: Contents) -> Iterator[Change]:
    ours, theirs = old.manifest, new.manifest
    for field in fields(Manifest):
        first, second = getattr(ours, field.name), getattr(theirs, field.name)
        if first == second:
            continue
        if field.name in ("options", "accuracy"):
            yield from _by_name(field.name, _texts(first), _texts(second))
        elif field.name == "symbols":
            yield from _by_name("symbols", _symbols(first), _symbols(second))
            yield from _one("symbols", "order", _names(first), _names(second))
        elif field.name in ("inputs", "outputs"):
            yield from _by_name(field.name, _tensors(first), _tensors(second))
            yield from _one(field.name, "order", _names(first), _names(second))
            yield from _one(field.name, "storages", *([t.storage for t in tensors] for tensors in (first, second)))
        elif field.name == "variants":
            yield from _variants(old, new)
        elif field.name in ("notes", "presentations", "defaults", "output_shapes"):
            yield from _lines(field.name, first, second)
        else:
            yield from _one(field.name, "", first, second)


def _variants(old: Contents, new: Contents) -> Iterator[Change]:
    ours, theirs = ({v.target: v for v in contents.manifest.variants} for contents in (old, new))
    yield from _by_name(
        "targets", {t: _summary(old, v) for t, v in ours.items()}, {t: _summary(new, v) for t, v in theirs.items()}
    )
    yield from _one("targets", "order", [*ours], [*theirs])
    for target in ours:
        if target in theirs and ours[target] != theirs[target]:
            first, second = ours[target], theirs[target]
            yield from _launches(target, first.launches, second.launches)
            for name in ("code", "zero_bytes", "fills", "steps", "storages"):
                yield from _one(name, target, getattr(first, name), getattr(second, name))


def _summary(contents: Contents, variant: Variant) -> str:
    sizes = {entry.name: entry.size_bytes for entry in contents.entries}
    code = sum(sizes[name] for name in code_blobs(variant))
    memory = f"arena {variant.arena_bytes} bytes, scratch {variant.scratch_bytes} bytes"
    return f"{len(variant.launches)} launches, code {code} bytes, {memory}"


def _launches(target: str, old: Sequence[LaunchSpec], new: Sequence[LaunchSpec]) -> Iterator[Change]:
    ours, theirs = _numbered(old), _numbered(new)
    for key, (number, launch) in ours.items():
        name = f"{target} #{number} {launch.kernel} {' '.join(launch.nodes)}"
        if key not in theirs:
            yield Change("launches", name, _shown(launch), "")
            continue
        other = theirs[key][1]
        for field in ("tactic", "flops", "bytes", "name", "task"):
            yield from _one("launches", f"{name}: {field}", getattr(launch, field), getattr(other, field))
    for key, (number, launch) in theirs.items():
        if key not in ours:
            name = f"{target} #{number} {launch.kernel} {' '.join(launch.nodes)}"
            yield Change("launches", name, "", _shown(launch))
    shared = [[key for key in side if key in ours and key in theirs] for side in (ours, theirs)]
    if shared[0] != shared[1]:
        orders = ([str(side[key][0]) for key in shared[0]] for side in (ours, theirs))
        yield from _one("launches", f"{target}: order", *(" ".join(order) for order in orders))


def _numbered(launches: Sequence[LaunchSpec]) -> dict[object, tuple[int, LaunchSpec]]:
    """Launches by kernel and nodes. Launches with equal kernel and nodes are numbered."""
    seen: Counter[object] = Counter()
    found: dict[object, tuple[int, LaunchSpec]] = {}
    for number, launch in enumerate(launches):
        key = launch.kernel, launch.nodes
        found[key, seen[key]] = number, launch
        seen[key] += 1
    return found


def _shown(launch: LaunchSpec) -> str:
    return f"{launch.tactic or 'no tactic'}, {launch.flops} flops, {launch.bytes} bytes"


def _blobs(contents: Contents) -> dict[str, str]:
    return {e.name: f"{e.size_bytes} bytes, SHA-256 {e.sha256[:16]}" for e in contents.entries}


def _symbols(symbols: Iterable[SymbolRange]) -> dict[str, str]:
    return {s.name: f"{s.min} .. {s.opt} .. {s.max}{', from data' if s.from_data else ''}" for s in symbols}


def _tensors(tensors: Iterable[Any]) -> dict[str, str]:
    return {t.name: f"{t.dtype.value}{format_shape(t.shape)}" for t in tensors}


def _names(specs: Iterable[Any]) -> str:
    return ", ".join(spec.name for spec in specs)


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _lines(section: str, old: Sequence[object], new: Sequence[object]) -> Iterator[Change]:
    """The lines that only one side has. If both have the same lines, their order differs."""
    removed, added = [x for x in old if x not in new], [x for x in new if x not in old]
    yield from (Change(section, "", str(line), "") for line in removed)
    yield from (Change(section, "", "", str(line)) for line in added)
    if not removed and not added:
        yield from _one(section, "order", old, new)


def _by_name(section: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for name in dict.fromkeys((*old, *new)):
        yield from _one(section, name, old.get(name, ""), new.get(name, ""))


def _one(section: str, name: str, old: object, new: object) -> Iterator[Change]:
    if old != new:
        yield Change(section, name, *_cut(str(old), str(new)))


def _cut(old: str, new: str) -> tuple[str, str]:
    """Cut long texts: start a little before the first difference."""
    if max(len(old), len(new)) <= LONGEST:
        return old, new
    same = next((n for n, (a, b) in enumerate(zip(old, new)) if a != b), min(len(old), len(new)))
    start = max(0, same - LONGEST // 4)
    return tuple(f"{'... ' if start else ''}{text[start : start + LONGEST]}" for text in (old, new))  # type: ignore[return-value]
