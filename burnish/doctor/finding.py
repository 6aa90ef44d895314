"""What the doctor says: findings, each a cause at a layer with its evidence, and the diagnosis that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Cause:
    """name: for --json; title: for people; why: what happens in such a layer, in one sentence."""

    name: str
    title: str
    why: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where error is made.

    layer:    the node to look at; tensor: the f32 model's tensor that comes out wrong
    replaces: the model's own nodes that passes made the layer of
    evidence: what was measured there; error: of the tensor, made there alone
    raises:   names of the nodes that must leave the narrow type, to `precision`; empty: no precision of a node mends it
    advice:   another remedy, that costs no time or that only the user can take
    """

    cause: Cause
    layer: str
    tensor: str
    evidence: str
    error: float
    raises: tuple[str, ...] = ()
    precision: str = "fp32"
    advice: str = ""
    replaces: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {**asdict(self), "cause": self.cause.name, "title": self.cause.title, "why": self.cause.why}


@dataclass(frozen=True, slots=True)
class Row:
    """One boundary of the plan: the error there, the error that its launch makes, and the limit of its type.

    is_blameless: what it reads cannot be kept in the plan, so that the launch had no exact numbers
    """

    tensor: str
    nodes: tuple[str, ...]
    dtype: str
    whole: float
    made: float
    limit: float
    is_blameless: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """Histograms of one tensor: how many numbers of the f32 model and of the plan lie between two edges."""

    tensor: str
    edges: tuple[float, ...]
    exact: tuple[int, ...]
    plan: tuple[int, ...]
    low: float | None = None  # what codes can stand for
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Remedy:
    """A precision configuration that was built and measured.

    layers: its rules; before, after: the outputs' error; times in milliseconds, of both plans in turns
    """

    layers: tuple[Mapping[str, Any], ...]
    before: float
    after: float
    before_ms: float
    after_ms: float
    is_healed: bool

    @property
    def cost(self) -> float:
        """How much longer a run takes, as a share."""
        return self.after_ms / self.before_ms - 1 if self.before_ms else 0.0


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """model, plan: names for people; precision: what the plan was built for; target: what was run.

    error:  of the worst output, against the f32 model; limit: what is usual for this precision
    rows:   every boundary, in order; layers: the precision rules that the plan was built with
    """

    model: str
    precision: str
    target: str
    samples: int
    error: float
    limit: float
    outputs: Mapping[str, float]
    findings: tuple[Finding, ...]
    rows: tuple[Row, ...]
    picture: Picture | None = None
    remedy: Remedy | None = None
    notes: tuple[str, ...] = ()
    layers: tuple[Mapping[str, Any], ...] = ()

    @property
    def is_healthy(self) -> bool:
        """Nothing was found, and the outputs are as near as this precision allows."""
        return not self.findings and self.error <= self.limit

    @property
    def verdict(self) -> str:
        """In a few words."""
        if not self.findings:
            return "nothing wrong" if self.is_healthy else "far off, and no cause was found"
        near = "; the outputs are near all the same" if self.error <= self.limit else ""
        return f"{len(self.findings)} found{near}"

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            **{name: getattr(self, name) for name in ("model", "precision", "target", "samples", "error", "limit")},
            "healthy": self.is_healthy,
            "outputs": dict(self.outputs),
            "findings": [finding.as_dict() for finding in self.findings],
            "remedy": asdict(self.remedy) | {"cost": self.remedy.cost} if self.remedy else None,
            "boundaries": [asdict(row) for row in self.rows],
            "notes": list(self.notes),
        }
