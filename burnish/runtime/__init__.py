"""Runtime: a plan and a device give answers. Imports nothing of the compiler."""

from __future__ import annotations

from burnish.runtime.context import Context
from burnish.runtime.engine import Engine, load
from burnish.runtime.input_info import InputInfo
from burnish.runtime.pending import Pending
from burnish.runtime.profile import LayerTime

__all__ = ["Context", "Engine", "InputInfo", "LayerTime", "Pending", "load"]
