"""The cost of an attention schedule, by counting products, exponentials and bytes, and how programs fill the chip.

Only the order of schedules matters. Times are in us. `busy` is the time of a whole processor that a program uses;
`chain` is the time that a program takes when it runs alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from burnish.dtypes import DType
from burnish.kernels.usual_size import usual_size
from burnish.targets.cuda.attention.kernel import Attention
from burnish.targets.cuda.chips import chip_of

_SCORES = 14e3  # a us: an exponential and about eight other instructions
_SUMS = 60e3  # a us: they shrink with every block
_SHARED_ROWS = 3.3  # times that, if several warps share one row
_PLAIN_FLOPS = 0.4e6  # a us, without tensor cores
_START_US = 2.0  # addresses, queries, the first keys, the output
_BLOCK_US = 0.35  # a block of keys: the chain from loads over products and reductions
_PROGRAM_US = 0.01  # to start a program
_WIDE_KEYS, _FEW_KEYS = 64, 1.3  # of codes, blocks of fewer keys take so much longer (H200, 384 and 2,048 keys)
_MERGE_US = 2.5  # the cost of splits: partial sums out and in, and an atomic


def estimate(a: Attention, sizes: Mapping[str, int]) -> float:
    """The launch's time."""
    chip = chip_of(a.target)
    programs = usual_size(a.programs, sizes) * a.splits
    keys = usual_size(a.keys, sizes)
    blocks = max(1, -(-keys // (a.block_n * a.splits)))
    seen = 0.6 if a.kernel.causal and usual_size(a.queries, sizes) > a.block_m else 1.0
    warps = a.options.warps
    products, others = _products(a), _others(a)
    is_shared = a.block_m < 16 * warps
    busy = 0.2 + blocks * seen * (products + others * (_SHARED_ROWS if is_shared else 1.0))
    busy *= 1.3 if a.packs else 1.0  # rows lie far apart
    hidden = 1.0 if a.options.stages > 2 or blocks < 3 else 1.15
    alone = blocks * seen * (products + others * 6 / warps + _BLOCK_US * hidden)
    chain = _START_US + alone + _PROGRAM_US * programs / max(1, programs // 512)
    resident, each = _resident(a, blocks), -(-programs // chip.processors)
    total = each // resident * max(busy * hidden * resident, chain)
    if each % resident:
        total += max(busy * hidden * (each % resident), chain)
    if a.splits > 1:
        rows = min(a.block_m, usual_size(a.rows, sizes))
        left = a.splits * rows * sum(p.width for p in a.values) * 8
        total += _MERGE_US + left / chip.l2_bandwidth
    if a.codes is not None and chip.has_warpgroups and a.block_n < _WIDE_KEYS:
        total *= _FEW_KEYS
    return total + 0.1 * busy * programs / chip.processors


def shared_bytes(a: Attention, blocks: int | None = None) -> int:
    """Approximate shared memory of a block: keys and values in flight, queries, exponentials."""
    item = 4 if a.multiplies_as else a.weights.size_bytes
    width = sum(p.width for p in (*a.depth, *a.values))
    stages = min(a.options.stages, blocks or 99)
    return item * (stages * a.block_n * width + a.block_m * sum(p.width for p in a.depth) + a.block_m * a.block_n)


def registers(a: Attention) -> int:
    """Approximate registers of a thread: sums, scores, exponentials and addresses."""
    words = 2 if a.q.dtype.size_bytes == 8 else 1
    held = words * a.block_m * (sum(p.width for p in a.values) + 2 * a.block_n)
    return held // (a.options.warps * 32) + 40


def _resident(a: Attention, blocks: int) -> int:
    """The number of programs that a processor holds at once."""
    shared = max(1, shared_bytes(a, blocks))
    return max(1, chip_of(a.target).resident(a.options.warps * 32, max(64, registers(a)), shared))


def _products(a: Attention) -> float:
    """Of one block of keys."""
    flops = 2 * a.block_m * a.block_n * sum(p.width for p in (*a.depth, *a.values))
    if a.q.dtype.size_bytes == 8:
        return flops / (_PLAIN_FLOPS / 4)
    chip = chip_of(a.target)
    half = chip.half_flops
    if a.looks_twice:  # scores twice, at twice the rate
        half *= 1.0 if a.weights is DType.F16 else 4 / 3
    if a.weights.size_bytes == 4 or a.multiplies_as:
        return flops / (half / 12 if a.options.precision == "tf32x3" else _PLAIN_FLOPS)
    is_group = a.block_m >= 64 or not chip.has_warpgroups or chip.has_tensor_memory  # Hopper's rate needs whole groups
    return flops / (half if is_group else 0.55 * half)


def _others(a: Attention) -> float:
    """The time for exponentials, rescaling of sums and loads of one block of keys."""
    work = (
        a.block_m * a.block_n * (2 if a.looks_twice else 1) / _SCORES
        + a.block_m * sum(p.width for p in a.values) / _SUMS
        + 0.02
    )
    if a.looks_twice and a.weights is DType.F8E4M3 and a.v.strides[2] != 1:  # bytes must be turned in registers
        work *= 1.25
    loads = a.block_n * sum(p.width for p in (*a.depth, *a.values)) * a.q.dtype.size_bytes
    return work + 0.3 * loads / chip_of(a.target).l2_bandwidth
