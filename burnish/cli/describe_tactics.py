"""A plan's launches with their entries in a timing cache, as rows for a table or for JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.kernels.usual_size import usual_size
from burnish.plan import Manifest
from burnish.target import parse_target
from burnish.targets import compiler_of

if TYPE_CHECKING:
    from burnish.tune import Entry


def tactic_rows(manifest: Manifest, timing_cache: Path | None = None) -> list[dict[str, Any]]:
    """Every launch of every target; work at the profile's opt shape. E331, E332 for the cache."""
    sizes = {s.name: s.opt for s in manifest.symbols}
    measured = None if timing_cache is None else _entries(timing_cache, sizes)
    rows: list[dict[str, Any]] = []
    for variant in manifest.variants:
        for number, launch in enumerate(variant.launches):
            row = {
                "target": variant.target,
                "number": number,
                "name": launch.name,
                "kernel": launch.kernel,
                "mflop": round(usual_size(launch.flops, sizes) / 1e6, 3),
                "kilobytes": round(usual_size(launch.bytes, sizes) / 1e3, 1),
                "tactic": launch.tactic,
                "task": launch.task,
            }
            if measured is not None:
                found = measured.get((variant.target, launch.task, launch.tactic), [])
                best = min(found, key=lambda e: (e.time_ns, e.key.device), default=None)
                row |= {"us": round(best.time_ns / 1e3, 2) if best else "", "device": best.key.device if best else ""}
            rows.append(row | {"nodes": " ".join(launch.nodes)})
    return rows


def meanings(manifest: Manifest) -> dict[str, dict[str, dict[str, str]]]:
    """The meaning of each option of the templates that the plan uses: by target, template and option."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for variant in manifest.variants:
        known = compiler_of(parse_target(variant.target)).options
        used = dict.fromkeys(launch.tactic.partition(" ")[0] for launch in variant.launches)
        found[variant.target] = {name: known[name].meanings() for name in used if name in known}
    return found


def _entries(path: Path, sizes: dict[str, int]) -> dict[tuple[str, str, str], list[Entry]]:
    """Entries for these sizes, by target, task and tactic: one for each device."""
    from burnish.tune import TimingCache

    found: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in TimingCache.load(path):
        if sizes.items() >= dict(entry.key.sizes).items():
            found.setdefault((entry.key.target, entry.key.task, entry.tactic), []).append(entry)
    return found
