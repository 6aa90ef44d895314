"""sin, cos and the rest of the circle, filled in below."""

from __future__ import annotations

from collections.abc import Callable

from burnish.targets.cpu.real import Real

FUNCTIONS: dict[str, Callable[[Real], Real]] = {}
