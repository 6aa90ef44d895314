"""The facts about CPUs that are wanted outside the templates. A level says nothing about a processor's speed."""

from __future__ import annotations

from burnish.targets.hardware import Hardware, Rotation

SERIAL_NS = 3000.0  # work that one thread does sooner than it would wake the others
HARDWARE = Hardware(Rotation(8 << 20, fewest=2, most=32, are_uploaded=False))
