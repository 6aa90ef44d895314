"""Options of one run of the passes, and the log: what each pass did, and why rules declined."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import onnx_ir as ir

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Declined:
    """A rule looked at a node and left it alone."""

    rule: str
    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class PassRow:
    """One pass in the report of --explain."""

    name: str
    reason: str
    changes: int
    nodes_before: int
    nodes_after: int
    time_ns: int


@dataclass
class PassReport:
    """The log of `optimize`. `declined`, `applied` and `nodes` answer `burnish inspect graph MODEL --why RULE NODE`.

    declined   the reason, by rule and node
    applied    by rule and replaced node: the last of the nodes that were replaced together
    nodes      the names of all nodes that existed before the passes or at any time during them
    """

    rows: list[PassRow] = field(default_factory=list)
    declined: dict[tuple[str, str], str] = field(default_factory=dict)
    applied: dict[tuple[str, str], str] = field(default_factory=dict)
    nodes: set[str] = field(default_factory=set)

    def decline(self, rule: str, node: str, reason: str) -> None:
        """Note (or replace) the reason why a rule left a node alone."""
        self.declined[rule, node] = reason

    def apply(self, rule: str, node: str, replaced: Iterable[str]) -> None:
        """Note that a rule rewrote these nodes, of which `node` is the last."""
        self.applied |= dict.fromkeys(((rule, name) for name in (*replaced, node)), node)

    def why(self, rule: str = "", node: str = "") -> list[Declined]:
        """Every refusal of a rule and/or at a node; all of them if neither is given."""
        return [
            Declined(r, n, reason)
            for (r, n), reason in self.declined.items()
            if (not rule or r == rule) and (not node or n == node)
        ]


@dataclass(frozen=True)
class PassContext:
    """Options of one run.

    input_shapes       ints (or None: leave as it is) for the inputs to specialise
    sizes              (min, max) of the remaining symbols, from the profile: facts that hold in these ranges are folded
    deep_images        convolutions over few channels are slow: give them more channels
    integer_products   products of 8-bit integers are fast: quantised tensors stay integers
    float8             products of float8 are fast: their codes are multiplied
    blocked_weights    products read weights of few bits in blocks: they are not dequantised
    after_pass         is called with the name of each pass that changed something, and the model after that pass
    fold_limit_bytes   a constant that is larger than this, and larger than its inputs, is left to the run
    """

    input_shapes: Mapping[str, Sequence[int | None]] = field(default_factory=dict)
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    deep_images: bool = False
    integer_products: bool = False
    blocked_weights: bool = False
    float8: bool = False
    fold_limit_bytes: int = 16 * MEBIBYTE
    after_pass: Callable[[str, ir.Model], None] = lambda name, model: None
    report: PassReport = field(default_factory=PassReport)
