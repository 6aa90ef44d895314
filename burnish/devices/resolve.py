"""Names of targets that speak of this machine: `cpu` is its level, `cuda` its first GPU's architecture."""

from __future__ import annotations

from dataclasses import replace

from burnish.devices.machine import best_target
from burnish.target import Target, parse_target


def resolve_target(text: str) -> Target:
    """`cpu` comes without the processor's extensions: no template uses them unless a precision asks for them.

    raises: E301; for `cuda` what stands in the way of using a GPU (E502 ..)
    """
    if text == "cpu":
        return replace(best_target(), extensions=())
    if text == "cuda":
        from burnish.devices.cuda import Cuda

        return Cuda().target
    return parse_target(text)
