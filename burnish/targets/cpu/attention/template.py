"""Attention in one pass, cpu.

    out[b,h,i,:] = sum_j softmax_j(cap(scale * q[b,h,i,:].k[b,h',j,:]) + mask[b,h,i,j]) * v[b,h',j,:]

layout   q, k, v, mask, out at any strides; h' = h // (heads of q / heads of k)
dtypes   f32, f64; f16 and bf16 in memory, f32 in registers; a bool mask keeps where it is true, others are added
work     2*B*H*I*J*(D + E) flop and B*H*I*J exponentials; scores never leave the first cache levels
limits   D and E static; any other extent symbolic, J >= 1; a row whose keys are all masked gives zeros, as in ONNX
method   a unit of work is some row tiles of queries of one head; for each block of keys: transpose them into panels,
         scores of a tile into scratch, running maximum and sum (online softmax), times values into scratch.
         Tiles of few rows (decoding) take dot products with the keys where they lie.
         Of bf16 both products may be those of tiles (AMX, or its emulation), with exponentials rounded to bf16.
"""

from __future__ import annotations

from collections.abc import Mapping

from llvmlite import ir

from burnish.dims import Dim, known
from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import AttentionTask
from burnish.kernels.usual_size import usual_size
from burnish.target import Target
from burnish.targets.cpu.attention.frame import SPAN, accumulator, scratch_layout, uses_tiles
from burnish.targets.cpu.attention.options import AttentionOptions
from burnish.targets.cpu.attention.write import AttentionWriter
from burnish.targets.cpu.builder import KernelContext
from burnish.targets.cpu.contraction.cost import rows_at_most
from burnish.targets.cpu.cpu_template import CpuTemplate
from burnish.targets.cpu.register_tile.matrix import ROWS

_SERIAL_CYCLES = 8_000
_KEYS_AT_ONCE = 256
_USUAL_TILES = 10  # a unit where the number of queries is not known


def schedules(kernel: AttentionTask, target: Target, sizes: Mapping[str, int] | None = None) -> list[Schedule]:
    """The default, then other sizes of key block and unit. sizes: the usual value of each symbol."""
    batch, heads, queries, depth = kernel.slots[0].shape
    keys = kernel.slots[1].shape[2]
    lanes = target.vector_bytes // accumulator(kernel).size_bytes
    b, h, i, j, d = (max(1, usual_size(n, sizes or {})) for n in (batch, heads, queries, keys, depth))
    rows = rows_at_most(target, 2)
    tiles = -(-i // rows) if sizes or isinstance(queries, int) else _USUAL_TILES
    is_known = sizes is not None or all(isinstance(n, int) for n in (batch, heads, queries, keys))
    serial = is_known and b * h * i * j * (d / 16 + 4) < _SERIAL_CYCLES
    unit = _unit(b * h, tiles)
    found = [
        AttentionOptions(rows=rows, vectors=2, lanes=lanes, tiles=each, keys=block, serial=serial).schedule
        for block in _blocks(keys, 2 * lanes)
        for each in dict.fromkeys((unit, 1, min(16, tiles)))
    ]
    if not target.has_tiles or not can_use_tiles(kernel) or i < ROWS:
        return found
    tiles = -(-i // SPAN)
    wide = [
        AttentionOptions(rows=SPAN, vectors=2, lanes=ROWS, tiles=each, keys=block, serial=serial).schedule
        for block in _blocks(keys, SPAN)
        for each in dict.fromkeys((_unit(b * h, tiles), min(16, tiles)))
    ]
    return wide + found


def can_use_tiles(kernel: AttentionTask) -> bool:
    """Are all operands bf16, contiguous along the head, and the depth whole steps? Few queries take vectors."""
    *_, queries, depth = kernel.slots[0].shape
    is_half = all(s.dtype is DType.BF16 and s.strides[3] == 1 for s in kernel.slots[:3])
    return is_half and known(depth) % SPAN == 0 and not (isinstance(queries, int) and queries < ROWS)


def legal(kernel: AttentionTask, schedule: Schedule, target: Target) -> bool:
    """Can this kernel be written with this schedule?"""
    if schedule.template != AttentionOptions.template or not isinstance(kernel.slots[0].shape[3], int):
        return False
    options = AttentionOptions.read(schedule)
    if uses_tiles(options) and not (can_use_tiles(kernel) and options.rows == SPAN and options.lanes == ROWS):
        return False
    if min(options.rows, options.vectors, options.lanes, options.tiles, options.keys) < 1:
        return False
    return isinstance(kernel.slots[2].shape[3], int) and options.keys % (options.vectors * options.lanes) == 0


def scratch_bytes(kernel: AttentionTask, schedule: Schedule) -> int:
    """Scratch memory of one thread: a block of keys, a tile of scores, a unit's sums."""
    return scratch_layout(kernel, AttentionOptions.read(schedule)).size_bytes


def emit(context: KernelContext, kernel: AttentionTask, schedule: Schedule, name: str) -> ir.Function:
    """Write the kernel."""
    return AttentionWriter(context, kernel, AttentionOptions.read(schedule), name).write()


def _blocks(keys: Dim, width: int) -> list[int]:
    """The number of keys of a block: all keys if their scores fit in the cache, else 128."""
    usual = 128 // width * width or width
    if isinstance(keys, int) and keys <= _KEYS_AT_ONCE:
        return list(dict.fromkeys([max(1, -(-keys // width)) * width, usual]))
    return [usual, 2 * usual]


def _unit(heads: int, tiles: int) -> int:
    """Row tiles of a unit: a whole head if there are enough heads for all threads, else a few tiles."""
    units = 1
    while heads * units < 8 and units < tiles:
        units += 1
    return min(16, -(-tiles // units))


ATTENTION = CpuTemplate(
    kernel=AttentionTask,
    schedules=schedules,
    legal=legal,
    emit=emit,
    options=AttentionOptions,
    scratch_bytes=scratch_bytes,
)
