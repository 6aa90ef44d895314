"""Tree ensembles, cpu.    sums[row, target] = sum over all trees of the weight of the leaf that x[row] reaches

layout   nodes are records of 16 or 24 bytes, see ops/language/ensemble.py; x and sums at any strides
dtypes   f32, f64, i32 and i64 features, compared in f32, or in f64 if the features are f64; sums likewise
work     rows * trees * depth comparisons, each of three loads that wait for one another
how      `lanes` walks go on side by side: of several rows through one tree, or, for rows that are left over, of one row
         through several trees. A step indexes the child by the comparison's result: no branch to mispredict. The walks
         end when no lane moves. A tree is used for a whole chunk of rows while it is in the cache
limits   any rows, trees, targets; sums are added in the order of the trees under every schedule
measured benchmarks/README.md; `python benchmarks/cpu_trees.py`
"""

from __future__ import annotations

from collections.abc import Mapping

from llvmlite import ir

from burnish.dims import ceildiv
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import TreesTask
from burnish.kernels.usual_size import usual_size
from burnish.kernels.work import trees_steps
from burnish.target import Target
from burnish.targets.cpu.builder import KernelBuilder, KernelContext
from burnish.targets.cpu.cpu_template import CpuTemplate
from burnish.targets.cpu.trees.options import TreesOptions
from burnish.targets.cpu.trees.walk import Walk

LANES = (8, 4, 16)
CHUNK_ROWS = 64
_STEP_NS = 1.2  # of one lane, with eight lanes side by side, measured on an AVX-512 machine
_SERIAL_NS = 3000.0


def schedules(kernel: TreesTask, target: Target, sizes: Mapping[str, int] | None = None) -> list[Schedule]:
    """Legal schedules, the likely fastest first: one thread if waking others takes longer than the work."""
    del target
    steps = trees_steps(kernel)
    count = usual_size(steps, sizes or {})
    splits = ("serial", "rows") if count * _STEP_NS < _SERIAL_NS else ("rows", "serial")
    return [TreesOptions(lanes, split).schedule for split in splits for lanes in LANES]


def legal(kernel: TreesTask, schedule: Schedule, target: Target) -> bool:
    """Can `emit` write this kernel with this schedule?"""
    return schedule in schedules(kernel, target)


def emit(context: KernelContext, kernel: TreesTask, schedule: Schedule, name: str) -> ir.Function:
    """The kernel's function."""
    b = KernelBuilder(context, name, len(kernel.slots))
    options = TreesOptions.read(schedule)
    is_serial, lanes = options.is_serial, options.lanes
    if is_serial:
        b.only_thread_zero()
    walk, rows = Walk(b, kernel), b.dim(kernel.slots[0].shape[0])
    chunks = ceildiv(kernel.slots[0].shape[0], CHUNK_ROWS)
    lo, hi = (b.i64(0), b.dim(chunks)) if is_serial else b.share(chunks)
    with b.loop(lo, hi) as chunk:
        first = b.ir.mul(chunk.index, b.i64(CHUNK_ROWS))
        last = b.minimum(b.ir.add(first, b.i64(CHUNK_ROWS)), rows)
        with b.loop(first, last) as row:
            walk.clear(row.index)
        whole = b.ir.add(first, b.ir.and_(b.ir.sub(last, first), b.i64(-lanes)))
        _rows_side_by_side(b, walk, first, whole, lanes)
        with b.loop(whole, last) as row:
            _trees_side_by_side(b, walk, row.index, lanes)
    return b.finish()


def _rows_side_by_side(b: KernelBuilder, walk: Walk, first: ir.Value, last: ir.Value, lanes: int) -> None:
    """Each tree for all rows from `first` to `last`, `lanes` of them at once."""
    with b.when(b.ir.icmp_signed("<", first, last)), b.loop(0, walk.trees) as tree:
        root = walk.root(tree.index)
        with b.loop(first, last, lanes) as group:
            rows = [b.ir.add(group.index, b.i64(n), flags=("nsw",)) for n in range(lanes)]
            leaves = walk.leaves([root] * lanes, rows)
            for row, leaf in zip(rows, leaves):
                walk.add(row, leaf)


def _trees_side_by_side(b: KernelBuilder, walk: Walk, row: ir.Value, lanes: int) -> None:
    """One row through all trees, `lanes` of them at once."""
    whole = walk.trees // lanes * lanes
    for first, last, width in ((0, whole, lanes), (whole, walk.trees, 1)):
        if first == last:
            continue
        with b.loop(first, last, width) as group:
            roots = [walk.root(b.ir.add(group.index, b.i64(n), flags=("nsw",))) for n in range(width)]
            for leaf in walk.leaves(roots, [row] * width):
                walk.add(row, leaf)


TREES = CpuTemplate(
    kernel=TreesTask,
    schedules=schedules,
    legal=legal,
    emit=emit,
    options=TreesOptions,
)
