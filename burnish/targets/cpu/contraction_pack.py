"""How a constant B lies in memory: panels that a tile reads from front to back.

tile   [group][panel][K][vectors * lanes]    the last panel padded with zeros
dot    [group][N][K]                         a row for each column of the result
"""

from __future__ import annotations

from typing import Any

import numpy as np

from burnish.dtypes import DType
from burnish.lower.schedule import Schedule
from burnish.lower.task import Contraction

Array = np.ndarray[Any, Any]


def storage_dtype(dtype: DType) -> DType:
    """The dtype B is packed in: half precision is widened once, here, and not in every run."""
    return DType.F32 if dtype in (DType.F16, DType.BF16) else dtype


def pack(kernel: Contraction, schedule: Schedule, slot: int, array: Array) -> Array:
    """B, given as [batch axes..., reduce axes..., n], as the schedule wants it.

    cost: one copy of the array
    """
    if slot != 1 or not kernel.packed:
        return array
    depth = int(np.prod([_static(a.extent) for a in kernel.reduce], dtype=np.int64))
    columns = _static(kernel.n.extent)
    groups = array.reshape(-1, depth, columns).astype(storage_dtype(kernel.slots[1].dtype).numpy, copy=False)
    if schedule["form"] == "dot":
        return np.ascontiguousarray(groups.transpose(0, 2, 1))
    width = schedule.integer("vectors") * schedule.integer("lanes")
    panels = -(-columns // width)
    padded = np.zeros((len(groups), depth, panels * width), groups.dtype)
    padded[:, :, :columns] = groups
    return np.ascontiguousarray(padded.reshape(len(groups), depth, panels, width).transpose(0, 2, 1, 3))


def _static(extent: object) -> int:
    assert isinstance(extent, int), "a constant operand has static reduce and n extents"
    return extent
