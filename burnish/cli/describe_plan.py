"""A plan's contents as rows for a table or for JSON; nothing is loaded, nothing runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from burnish.cli.output import format_bytes
from burnish.kernels.usual_size import usual_size
from burnish.plan import Contents, Manifest
from burnish.plan.manifest import SymbolRange, Variant, code_blobs
from burnish.plan.plan import shown
from burnish.targets.fallback import Fallback, fallbacks


def facts(contents: Contents) -> dict[str, Any]:
    """The manifest's facts about the whole plan."""
    manifest = contents.manifest
    constants = {s.blob for v in manifest.variants for s in v.storages if s.blob}
    sizes = {e.name: e.size_bytes for e in contents.entries}
    weights = sum(e.size_bytes for e in contents.entries if e.name in constants)
    return {
        "plan": contents.name,
        "sha256": contents.digest.hex(),
        "size_bytes": len(contents.data),
        "signed by": contents.public_key.hex() or "(unsigned)",
        "producer": manifest.producer,
        "model": f"{manifest.model_name} ({manifest.model_sha256[:16]})",
        "options": manifest.options,
        "inputs": [shown(manifest, t) for t in manifest.inputs],
        "outputs": [shown(manifest, t) for t in manifest.outputs],
        "dimensions": [
            f"{s.name}: from data" if s.from_data else f"{s.name}: {s.min} .. {s.opt} .. {s.max}"
            for s in manifest.symbols
        ],
        "weights": format_bytes(weights),
        "targets": [_variant(v, sizes, manifest.symbols) for v in manifest.variants],
        "notes": list(manifest.notes),
    }


def launch_rows(manifest: Manifest) -> list[dict[str, Any]]:
    """Every launch of every target; work at the profile's opt shape."""
    sizes = {s.name: s.opt for s in manifest.symbols}
    return [
        {
            "target": variant.target,
            "number": number,
            "name": launch.name,
            "kernel": launch.kernel,
            "mflop": round(usual_size(launch.flops, sizes) / 1e6, 3),
            "tactic": launch.tactic,
            "nodes": " ".join(launch.nodes),
        }
        for variant in manifest.variants
        for number, launch in enumerate(variant.launches)
    ]


def fallback_rows(manifest: Manifest) -> list[dict[str, Any]]:
    """Every step on the reference kernel, of every target, and its cost in a run at the profile's opt shape."""
    return [
        {"target": variant.target, **asdict(step)}
        for variant in manifest.variants
        for step in fallbacks(variant, manifest.symbols)
    ]


def blob_rows(contents: Contents) -> list[dict[str, Any]]:
    """Every blob: its place in the file and its hash."""
    return [
        {"name": e.name, "offset": e.offset, "size_bytes": e.size_bytes, "sha256": e.sha256} for e in contents.entries
    ]


def _variant(variant: Variant, blob_bytes: dict[str, int], symbols: Sequence[SymbolRange]) -> str:
    """A variant's memory and code size. GPU kernels are separate blobs."""
    also = _on_reference(fallbacks(variant, symbols))
    blobs = code_blobs(variant)
    kernels = "" if variant.code else f" in {len(blobs)} kernel{'s' if len(blobs) != 1 else ''}"
    scratch = f", scratch {format_bytes(variant.scratch_bytes)} a thread" if variant.scratch_bytes else ""
    code = f"code {format_bytes(sum(blob_bytes[name] for name in blobs))}{kernels}"
    arena = f"arena {format_bytes(variant.arena_bytes)}"
    return f"{variant.target}: {len(variant.launches)} launches{also}, {code}, {arena}{scratch}"


def _on_reference(steps: Sequence[Fallback]) -> str:
    """The launches of a variant that are not native, and the cost of their copies in a run."""
    if not steps:
        return ""
    crossing_us = sum(step.crossing_us for step in steps)
    copies = f" (copies there and back: about {crossing_us:.0f} us a run)" if crossing_us else ""
    return f", {len(steps)} of them on the reference kernel{copies}"
