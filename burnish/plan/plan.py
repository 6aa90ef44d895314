"""A plan in memory: its manifest and its blobs, and the way back into a file."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from burnish.plan.atomic import write_atomically
from burnish.plan.format import chunks
from burnish.plan.manifest import Manifest
from burnish.plan.signature import KeySource


@dataclass(frozen=True)
class Plan:
    """A manifest and its blobs, by name. Blobs are bytes-like (bytes when built, memory-mapped views when loaded)."""

    manifest: Manifest
    blobs: dict[str, Any] = field(repr=False)

    def save(self, path: str | os.PathLike[str], key: KeySource | None = None) -> None:
        """Write the file, whole or not at all. `key`: sign it with this Ed25519 key (a PEM file, bytes or key object).

        raises: E403 if the place cannot be written; E414 if it is no valid key
        """
        write_atomically(path, chunks(self.manifest, self.blobs, key))

    def to_bytes(self, key: KeySource | None = None) -> bytes:
        """The file's content; equal plans give equal bytes. `key`: signed with it, as `save` does."""
        return b"".join(chunks(self.manifest, self.blobs, key))
