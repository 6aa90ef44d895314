"""Names of targets that speak of this machine: `cpu` is its level, `cuda` its first GPU's architecture."""

from __future__ import annotations

from dataclasses import replace

from burnish.devices.cpu.processor import best_target, pays
from burnish.target import Target, parse_target


def resolve_target(text: str, extensions: tuple[str, ...] = ()) -> Target:
    """`cpu` comes with those of the wanted extensions that this processor has and that make it faster.

    raises: E301; for `cuda` what stands in the way of using a GPU (E502 ..)
    """
    if text == "cpu":
        best = best_target()
        return replace(best, extensions=tuple(e for e in best.extensions if e in extensions and pays(e)))
    if text == "cuda":
        from burnish.devices.cuda import Cuda

        return Cuda().target
    return parse_target(text)
