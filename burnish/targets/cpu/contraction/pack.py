"""How a constant B lies in memory: panels that a tile reads from front to back.

tile, narrow, widen   [group][panel][K][vectors * lanes]       the last panel padded with zeros
pairs                 [group][panel][K/2][vectors * lanes][2]   the innermost run of K padded to an even number
dot                   [group][N][K]                            a row for each column of the result
"""

from __future__ import annotations

from typing import Any

import numpy as np

from burnish.dims import known
from burnish.dtypes import DType
from burnish.kernels.contraction_runs import analyse
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Contraction
from burnish.targets.cpu.contraction.options import ContractionOptions

Array = np.ndarray[Any, Any]


NARROW_FORMS = ("pairs", "narrow", "widen")  # they keep halves as halves


def storage_dtype(dtype: DType, form: str = "tile") -> DType:
    """The dtype in which B is packed. For forms that compute in f32, halves are widened here once, not in every run."""
    return DType.F32 if dtype in (DType.F16, DType.BF16) and form not in NARROW_FORMS else dtype


def even(extent: int) -> int:
    """The next even number."""
    return extent + extent % 2


def pack(kernel: Contraction, schedule: Schedule, slot: int, array: Array) -> Array:
    """B, given as [batch axes..., reduce axes..., n], in the layout that the schedule needs.

    cost: one copy of the array
    """
    if slot != 1 or not kernel.packed:
        return array
    options = ContractionOptions.read(schedule)
    depth = int(np.prod([known(a.extent) for a in kernel.reduce], dtype=np.int64))
    columns = known(kernel.n.extent)
    kept = storage_dtype(kernel.slots[1].dtype, options.form)
    groups = array.reshape(-1, depth, columns).astype(kept.numpy, copy=False)
    if options.form == "pairs":
        return _pairs(kernel, options.width, groups)
    if options.form == "dot":
        return np.ascontiguousarray(groups.transpose(0, 2, 1))
    width = options.width
    panels = -(-columns // width)
    padded = np.zeros((len(groups), depth, panels * width), groups.dtype)
    padded[:, :, :columns] = groups
    return np.ascontiguousarray(padded.reshape(len(groups), depth, panels, width).transpose(0, 2, 1, 3))


def _pairs(kernel: Contraction, width: int, groups: Array) -> Array:
    """[group, K, n] with neighbours along the innermost run of K side by side in each column."""
    inner = known(analyse(kernel).reduce[-1].extent)
    count, depth, columns = groups.shape
    runs, panels = depth // inner, -(-columns // width)
    padded = np.zeros((count, runs, even(inner), panels * width), groups.dtype)
    padded[:, :, :inner, :columns] = groups.reshape(count, runs, inner, columns)
    split = padded.reshape(count, runs * (even(inner) // 2), 2, panels, width)
    return np.ascontiguousarray(split.transpose(0, 3, 1, 4, 2))
