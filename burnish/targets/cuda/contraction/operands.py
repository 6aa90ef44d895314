"""The interface of a product's operands for the loop over k; it is the same for addresses and for copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from burnish.targets.cuda.contraction.tiling import Product
from burnish.targets.cuda.text import KernelText, Name


@dataclass(frozen=True, slots=True)
class Loaded:
    """The operands of one step: a [m, k]; b [n, k], or [k, n] if the product `is_depth_first`."""

    a: Name
    b: Name


class Operands(Protocol):
    """The operands of one product, made before the loop."""

    @property
    def product(self) -> Product: ...

    def load(self, text: KernelText, step: str) -> Loaded:
        """In the loop: the operands of a step of the product."""
        ...
