"""How a constant B lies in memory: panels that a tile reads from front to back.

tile, narrow          [group][panel][K][vectors * lanes]       the last panel padded with zeros
pairs                 [group][panel][K/2][vectors * lanes][2]   the innermost run of K padded to an even number
quads, B i8           [group][panel][K/4][vectors * lanes][4]   each innermost run of K in whole quads; if A is signed,
                                                                a row before them: -128 * sum of the column, i32
quads, B i16          [group][panel][K/4][2][vectors * lanes][2]  the even k of a quad, then the odd ones
bytes                 see pack_bytes.py and register_tile/byte_words.py
tiles                 [group][panel][step][column tile][step / 2][16][2]   a step's rest padded with zeros (unit.py);
                                                               of bytes four along k instead of two
parts                 [group][panel][step][part][column tile][step / 2][16][2]   as tiles, each f32 in three bf16 parts
codes                 see pack_codes.py
sparse                see register_tile/expand.py
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
from burnish.targets.cpu.contraction.pack_bytes import pack_bytes
from burnish.targets.cpu.contraction.pack_codes import pack_codes
from burnish.targets.cpu.contraction.unit import scheduled_unit
from burnish.targets.cpu.register_tile import byte_words, expand
from burnish.targets.cpu.register_tile.expand import READ_BEYOND, Sparse
from burnish.targets.cpu.register_tile.matrix import ROWS
from burnish.targets.cpu.register_tile.parts import split_constants
from burnish.targets.cpu.register_tile.prefetch import LINE_BYTES
from burnish.targets.cpu.register_tile.quads import QUAD

Array = np.ndarray[Any, Any]


NARROW_FORMS = ("pairs", "narrow", "tiles", expand.FORM)  # they keep halves as halves


def storage_dtype(dtype: DType, form: str = "tile") -> DType:
    """The dtype in which B is packed. For forms that compute in f32, halves are widened here once, not in every run."""
    if form == "parts":
        return DType.BF16
    return DType.F32 if dtype in (DType.F16, DType.BF16) and form not in NARROW_FORMS else dtype


def packed_run(extent: int, form: str) -> int:
    """The steps of an innermost run of K in memory: whole pairs or quads."""
    step = {"pairs": 2, "quads": QUAD}.get(form, 1)
    return -(-extent // step) * step


def lead_steps(kernel: Contraction, form: str) -> int:
    """The steps of K that lie before a panel's own: the start of its sums (see register_tile/quads.py)."""
    a, b = (s.dtype for s in kernel.slots[:2])
    return QUAD if form == "quads" and (a, b) == (DType.I8, DType.I8) else 0


def pack(kernel: Contraction, schedule: Schedule, slot: int, array: Array) -> Array:
    """B, given as [batch axes..., reduce axes..., n], in the layout that the schedule needs.

    cost: one copy of the array
    """
    options = ContractionOptions.read(schedule)
    if kernel.blocks is not None:
        return pack_codes(kernel, options, slot, array)
    if slot != 1 or not kernel.packed:
        return array
    depth = int(np.prod([known(a.extent) for a in kernel.reduce], dtype=np.int64))
    columns = known(kernel.n.extent)
    if options.form == "parts":
        wide = np.ascontiguousarray(array, np.float32).reshape(-1, depth, columns)
        parts = [_tiles(kernel, options, part) for part in split_constants(wide)]
        return np.ascontiguousarray(np.stack(parts, axis=3))
    kept = storage_dtype(kernel.slots[1].dtype, options.form)
    groups = array.reshape(-1, depth, columns).astype(kept.numpy, copy=False)
    if options.form == "pairs":
        return _pairs(kernel, options.width, groups)
    if options.form == "quads":
        return _quads(kernel, options.width, groups)
    if options.form == expand.FORM:
        return _sparse(options, groups)
    if options.form == byte_words.FORM:
        return pack_bytes(kernel, options, groups)
    if options.form == "tiles":
        return _tiles(kernel, options, groups)
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
    kept = packed_run(inner, "pairs")
    padded = np.zeros((count, runs, kept, panels * width), groups.dtype)
    padded[:, :, :inner, :columns] = groups.reshape(count, runs, inner, columns)
    split = padded.reshape(count, runs * (kept // 2), 2, panels, width)
    return np.ascontiguousarray(split.transpose(0, 3, 1, 4, 2))


def _quads(kernel: Contraction, width: int, groups: Array) -> Array:
    """[group, K, n] with four neighbours along the innermost run of K side by side in each column.

    The last quad of a run that is no multiple of four holds the run's last four; only those count that the quad before
    lacks.
    """
    inner = known(analyse(kernel).reduce[-1].extent)
    count, depth, columns = groups.shape
    runs, panels, kept = depth // inner, -(-columns // width), packed_run(inner, "quads")
    whole = inner // QUAD * QUAD
    left, last = inner - whole, kept if whole else inner
    padded = np.zeros((count, runs, kept, panels * width), groups.dtype)
    values = groups.reshape(count, runs, inner, columns)
    padded[:, :, :whole, :columns] = values[:, :, :whole]
    padded[:, :, last - left : last, :columns] = values[:, :, whole:]
    split = padded.reshape(count, runs * (kept // QUAD), QUAD, panels, width)
    if groups.dtype == np.int16:
        halves = split.reshape(*split.shape[:2], 2, 2, panels, width)  # [.., k // 2, k % 2, ..]
        return np.ascontiguousarray(halves.transpose(0, 4, 1, 3, 5, 2))
    quads = split.transpose(0, 3, 1, 4, 2)
    if not lead_steps(kernel, "quads"):
        return np.ascontiguousarray(quads)
    starts = -128 * quads.sum((2, 4), np.int32)  # [group, panel, width]
    rows = starts.view(np.int8).reshape(count, panels, 1, width, QUAD)
    return np.concatenate([rows, quads], axis=2)


def _tiles(kernel: Contraction, options: ContractionOptions, groups: Array) -> Array:
    """[group, K, n] in column tiles of a step each, one word of neighbours along k for each column."""
    unit = scheduled_unit(kernel, analyse(kernel), options)
    count, _, columns = groups.shape
    panels, word = -(-columns // options.width), 4 // unit.item
    padded = np.zeros((count, unit.runs, unit.steps_of_run * unit.step, panels * options.width), groups.dtype)
    padded[:, :, : unit.inner, :columns] = groups.reshape(count, unit.runs, unit.inner, columns)
    split = padded.reshape(count, unit.steps, unit.step // word, word, panels, unit.columns, ROWS)
    return np.ascontiguousarray(split.transpose(0, 4, 1, 5, 2, 6, 3))


def _sparse(options: ContractionOptions, groups: Array) -> Array:
    """[group, K, n] as register_tile/expand.py has it, in bytes. A -0 is no zero: it has a sign."""
    count, depth, columns = groups.shape
    vectors, width = options.vectors, options.width
    panels, masks_bytes = -(-columns // width), Sparse(depth, vectors).masks_bytes
    padded, item = np.zeros((count, depth, panels * width), groups.dtype), groups.dtype.itemsize
    padded[..., :columns] = groups
    split = padded.reshape(count, depth, panels, width).transpose(0, 2, 1, 3).reshape(count * panels, -1)
    is_kept = np.ascontiguousarray(split).view(f"u{item}") != 0
    table_bytes = _lines(8 * len(split))
    sizes = masks_bytes + _lines(item * np.count_nonzero(is_kept, 1))
    begins = table_bytes + np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    packed = np.zeros(int(begins[-1]) + READ_BEYOND, np.uint8)
    packed[: 8 * len(split)] = begins[:-1].view(np.uint8)
    for begin, panel, kept in zip(begins, split, is_kept):
        masks, numbers = np.packbits(kept, bitorder="little"), panel[kept].view(np.uint8)
        packed[begin : begin + len(masks)] = masks
        packed[begin + masks_bytes :][: len(numbers)] = numbers
    return packed


def _lines(size_bytes: Array | int) -> Any:
    """As many bytes in whole cache lines."""
    return -(-size_bytes // LINE_BYTES) * LINE_BYTES
