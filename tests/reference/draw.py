"""Random nodes of the operators whose attributes interact, drawn from a seed: what the sweep compares.

One function an operator, in draw_*.py; it draws inputs and attributes that are valid ONNX and that ONNX Runtime runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Random = np.random.Generator


@dataclass(frozen=True)
class Case:
    """One node. inputs: None for one left out; constants: places of inputs that are always initializers."""

    op_type: str
    inputs: tuple[Array | None, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ("y",)
    constants: frozenset[int] = frozenset()
    opset: int = 22
    domain: str = ""


Draw = Callable[[Random], Case]
DRAWS: dict[str, Draw] = {}


def draws(function: Draw) -> Draw:
    DRAWS[function.__name__] = function
    return function


def floats(r: Random, *shape: int, scale: float = 1.0) -> Array:
    return (r.standard_normal(shape) * scale).astype(np.float32)


def one_of(r: Random, *options: Any) -> Any:
    return options[int(r.integers(len(options)))]


def some(r: Random, **options: Any) -> dict[str, Any]:
    """Each attribute in two of three draws."""
    return {name: value for name, value in options.items() if r.random() < 2 / 3}
