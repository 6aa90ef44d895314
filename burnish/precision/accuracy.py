"""What a plan in a narrower precision was measured to lose against f32, and its text, which a plan keeps.

A number that is infinite (nothing differs, or a NaN) is written as a text, since JSON has none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ACCURACY = "accuracy"  # the blob of a plan that has no ranges, which otherwise hold it


@dataclass(frozen=True, slots=True)
class LayerAccuracy:
    """A layer: what is measured when it alone is narrow, the time that this saves, and its form in the plan.

    alone: a number for each budget; None if it was measured in a group of its neighbours only
    """

    layer: str
    alone: tuple[float, ...] | None
    saved_ms: float
    form: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A budget such as top1=0.5%; what the plan measures, and what it would if no layer were raised."""

    budget: str
    found: float
    unraised: float


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A choice that was measured: how many layers are raised, the time of a run, and a number for each budget."""

    raised: int
    ms: float
    found: tuple[float, ...]


@dataclass(frozen=True)
class Accuracy:
    """samples: of the data that was measured with; layers and curve are empty if no layer had to be raised.

    passes: over the data that were made, 0 if it is not known; notes: what a user must know of the data
    """

    budgets: tuple[Judged, ...]
    samples: int
    layers: tuple[LayerAccuracy, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    passes: int = 0
    notes: tuple[str, ...] = ()

    @property
    def raised(self) -> tuple[str, ...]:
        """The layers that the budget keeps in a wider form."""
        return tuple(row.layer for row in self.layers if row.form == WIDE)

    @property
    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "budgets": [
                {"budget": b.budget, "found": _out(b.found), "unraised": _out(b.unraised)} for b in self.budgets
            ],
            "samples": self.samples,
            "passes": self.passes,
            "notes": list(self.notes),
            "layers": [
                {
                    "layer": x.layer,
                    "alone": None if x.alone is None else list(map(_out, x.alone)),
                    "saved_ms": x.saved_ms,
                    "form": x.form,
                }
                for x in self.layers
            ],
            "curve": [{"raised": p.raised, "ms": p.ms, "found": list(map(_out, p.found))} for p in self.curve],
        }


WIDE = "f32"


def accuracy_bytes(accuracy: Accuracy) -> bytes:
    """The content of the blob."""
    return (json.dumps(accuracy.as_dict, indent=1, allow_nan=False) + "\n").encode()


def parse_accuracy(content: Mapping[str, Any]) -> Accuracy:
    """What `as_dict` gave. KeyError, TypeError or ValueError if it is something else."""
    return Accuracy(
        tuple(Judged(str(b["budget"]), float(b["found"]), float(b["unraised"])) for b in content["budgets"]),
        int(content["samples"]),
        tuple(
            LayerAccuracy(str(x["layer"]), _in(x["alone"]), float(x["saved_ms"]), str(x["form"]))
            for x in content["layers"]
        ),
        tuple(CurvePoint(int(p["raised"]), float(p["ms"]), tuple(map(float, p["found"]))) for p in content["curve"]),
        int(content.get("passes", 0)),
        tuple(map(str, content.get("notes", ()))),
    )


def parse_accuracy_bytes(content: bytes) -> Accuracy:
    """What `accuracy_bytes` wrote."""
    return parse_accuracy(json.loads(content))


def _out(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _in(values: Any) -> tuple[float, ...] | None:
    return None if values is None else tuple(map(float, values))
