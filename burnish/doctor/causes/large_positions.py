"""Sine or cosine of a large angle: a rotation is lost where the angle's last bit is a good part of a turn.

bf16 has 8 bits: from 256 on it counts in twos, so that position 4095 is 4096. f16 does so from 2048 on.
"""

from __future__ import annotations

from dataclasses import replace

import ml_dtypes
import numpy as np
import onnx_ir as ir

from burnish.doctor.case import Case
from burnish.doctor.finding import Cause, Finding

CAUSE = Cause(
    "large_positions",
    "too few bits for large positions",
    "An angle that grows with the position is rounded to whole turns before its sine is taken.",
)
MOVES = ("Cast", "Concat", "Reshape", "Transpose", "Unsqueeze")
PERIODIC = frozenset({"Sin", "Cos"})
LEAST = 0.02  # of a radian, the rounding of the largest angle


def find(case: Case) -> Finding | None:
    """Did the launches take a sine of what was kept in a narrow float?"""
    narrow = [d for d in case.sources.values() if d.itemsize == 2 and d.kind in "fV"]
    if case.codes is not None or not narrow:
        return None
    for node in case.region:
        angles = case.of(node.inputs[0]) if node.op_type in PERIODIC else None
        if angles is None:
            continue
        largest = max(float(np.abs(a[np.isfinite(a)]).max(initial=0.0)) for a in angles)
        step = largest * float(ml_dtypes.finfo(narrow[0]).eps) / 2
        if step < LEAST:
            continue
        assert node.inputs[0] is not None
        maker = _maker(node.inputs[0].producer())
        text = f"the angle '{node.inputs[0].name}' reaches {largest:.4g}; {narrow[0]} rounds it by up to {step:.2g} rad"
        name = str(node.name if maker is None else maker.name)
        found = case.finding(CAUSE, text, name)
        return replace(found, raises=tuple(dict.fromkeys((name, *found.raises))))
    return None


def _maker(node: ir.Node | None) -> ir.Node | None:
    """What computes the angle, before it is moved about."""
    while node is not None and node.op_type in MOVES and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    return node
