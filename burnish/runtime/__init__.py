"""Runtime: a plan and a device give answers. Imports nothing of the compiler."""

from __future__ import annotations

from burnish.runtime.context import Context
from burnish.runtime.engine import Engine, load
from burnish.runtime.profile import LayerTime

__all__ = ["Context", "Engine", "LayerTime", "load"]
