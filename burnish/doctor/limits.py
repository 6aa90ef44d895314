"""How much error is usual: for one launch made of exact numbers, and for a plan's outputs.

Measured on the small architectures of the tests, where a launch makes up to 5e-4 (f16), 5e-3 (bf16) and 5e-2 (codes);
each limit is several times that. An error is a root mean square over that of the exact numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np

from burnish.doctor.meaning import Meaning
from burnish.doctor.tasks import Boundary, Tasks
from burnish.dtypes import DType
from burnish.precision.precision import Precision

LAUNCH = {"codes": 0.1, "bf16": 0.03, "f16": 0.004, "f32": 1e-3}
OUTPUT = {"codes": 0.15, "bf16": 0.03, "f16": 0.005, "f32": 1e-3}
_WIDTHS = ("codes", "bf16", "f16", "f32")  # the narrowest one counts


def width_of(precision: Precision, tasks: Tasks) -> str:
    """The narrowest type that a plan keeps numbers in, or their weights."""
    found = {_of(b.meaning, b.slot.dtype.numpy) for b in tasks.boundaries} | {_asked(precision)}
    return next(width for width in _WIDTHS if width in found)


def launch_limit(boundary: Boundary, tasks: Tasks, meanings: Mapping[str, Meaning], precision: Precision) -> float:
    """What a launch may make of exact numbers: by the narrowest type of what it reads, writes and multiplies with."""
    places = [(boundary.meaning, boundary.slot.dtype.numpy)]
    places += [(meanings[r], tasks.program.tensors[r][1].dtype.numpy) for r in boundary.reads if r in meanings]
    found = {_of(*place) for place in places} | {_asked(precision) if precision.ranges is None else "f32"}
    return LAUNCH[next(width for width in _WIDTHS if width in found)]


def _asked(precision: Precision) -> str:
    if precision.ranges is not None:
        return "codes"
    narrow = {precision.values, precision.outputs} - {DType.F32}
    return "bf16" if DType.BF16 in narrow else "f16" if DType.F16 in narrow else "f32"


def _of(meaning: Meaning, dtype: np.dtype[Any]) -> str:
    if meaning.is_code or meaning.coded is not None:
        return "codes"
    return {np.dtype(ml_dtypes.bfloat16): "bf16", np.dtype(np.float16): "f16"}.get(dtype, "f32")
