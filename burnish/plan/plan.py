"""A plan in memory: its manifest and its blobs, and the way back into a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from burnish.arguments import expect
from burnish.dims import format_shape
from burnish.plan.atomic import write_atomically
from burnish.plan.format import chunks
from burnish.plan.manifest import Manifest, TensorSpec
from burnish.plan.signature import KeySource

_MOST_SHOWN = 4  # tensors of each side


@dataclass(frozen=True, repr=False)
class Plan:
    """A manifest and its blobs, by name. Blobs are bytes-like (bytes when built, memory-mapped views when loaded)."""

    manifest: Manifest
    blobs: dict[str, Any]

    def save(self, path: str | os.PathLike[str], key: KeySource | None = None) -> None:
        """Write the file, whole or not at all. `key`: sign it with this Ed25519 key (a PEM file, bytes or key object).

        raises: E403 if the place cannot be written; E414 if it is no valid key
        """
        expect("path", path, (str, os.PathLike), "a path")
        write_atomically(path, chunks(self.manifest, self.blobs, key))

    def __repr__(self) -> str:
        targets = ", ".join(v.target for v in self.manifest.variants)
        return f"<burnish.Plan {surface(self.manifest)}; for {targets or 'no target'}>"

    def to_bytes(self, key: KeySource | None = None) -> bytes:
        """The file's content. Equal plans give equal bytes. `key`: sign with this key, as in `save`."""
        return b"".join(chunks(self.manifest, self.blobs, key))


def surface(manifest: Manifest) -> str:
    """The model, its inputs and its outputs in one line: `digits: image f32[batch,1,8,8] -> logits f32[batch,10]`."""
    text = f"{manifest.model_name}: {_shown(manifest, manifest.inputs)} -> {_shown(manifest, manifest.outputs)}"
    return " ".join(text.split())


def shown(manifest: Manifest, tensor: TensorSpec) -> str:
    """`x f32[1,3,H,W]`, an input or an output; `y f32[...]` if the data of a run decides its rank."""
    is_open = any(told.output == tensor.name for told in manifest.output_shapes)
    return f"{tensor.name} {tensor.dtype.value}{'[...]' if is_open else format_shape(tensor.shape)}"


def _shown(manifest: Manifest, tensors: Sequence[TensorSpec]) -> str:
    parts = [shown(manifest, t) for t in tensors[:_MOST_SHOWN]]
    more = len(tensors) - len(parts)
    return ", ".join([*parts, *([f"{more} more"] if more else [])]) or "nothing"
