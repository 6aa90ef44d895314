"""The plan file. A build writes it, and a runtime reads nothing else."""

from __future__ import annotations

import os

from burnish.plan.atomic import check_place, write_atomically
from burnish.plan.manifest import Manifest
from burnish.plan.plan import Plan
from burnish.plan.reader import Contents, is_plan, open_plan, read
from burnish.plan.signature import KeySource

__all__ = [
    "Contents",
    "Manifest",
    "Plan",
    "check_place",
    "is_plan",
    "open_plan",
    "read",
    "sign",
    "to_bytes",
    "write",
    "write_atomically",
]


def write(plan: Plan, path: str | os.PathLike[str], key: KeySource | None = None) -> None:
    """Save a plan: whole, or not at all. `key`: sign it with this Ed25519 key.

    raises: E403 if the place cannot be written; E414 if it is no valid key
    """
    plan.save(path, key)


def to_bytes(plan: Plan, key: KeySource | None = None) -> bytes:
    """The whole file in memory. `key`: sign it with this key."""
    return plan.to_bytes(key)


def sign(path: str | os.PathLike[str], key: KeySource) -> None:
    """Sign a plan file. An existing signature is replaced.

    raises: E401 .. E412 if it is not a valid plan; E403, E414 as for `write`
    """
    write(read(path, verify="full"), path, key)
