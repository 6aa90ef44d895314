"""Tree ensembles, cpu.    sums[row, target] = sum over all trees of the weight of the leaf that x[row] reaches

layout   nodes are records of 16 bytes, see ops/language/ensemble.py; x and sums at any strides
dtypes   f32, f64, i32 and i64 features, compared in f32, or in f64 if the features are f64; sums likewise
work     rows * trees * depth comparisons, each of two loads that wait for one another
how      `lanes` walks go on side by side: of many rows through one tree, or, for rows that are left over, of one row
         through many trees. A step selects the child by the comparison's result, and a walk that ends makes room for
         the next: no branch to mispredict, and no lane that waits for the deepest. The leaves go to scratch memory, and
         are added up in the order of the trees. A tree is used for a whole chunk of rows while it is in the cache
limits   any rows, trees, targets; sums are added in the order of the trees under every schedule
measured benchmarks/README.md; `python benchmarks/cpu_trees.py`
"""

from __future__ import annotations

from collections.abc import Mapping

from llvmlite import ir

from burnish.kernels.schedule import Schedule
from burnish.kernels.task import TreesTask
from burnish.kernels.usual_size import usual_size
from burnish.kernels.work import trees_steps
from burnish.ops.language.ensemble import RECORD_BYTES, SPARE
from burnish.target import Target
from burnish.targets.cpu.builder import I8, I64, KernelBuilder, KernelContext
from burnish.targets.cpu.cpu_template import CpuTemplate
from burnish.targets.cpu.hardware import SERIAL_NS
from burnish.targets.cpu.trees.options import TreesOptions
from burnish.targets.cpu.trees.sums import Sums
from burnish.targets.cpu.trees.walk import Walker, Walks

LANES = (8, 4, 6)
CHUNK_ROWS = 64  # whose walks through one tree are begun together
FEWEST_ROWS = 16  # for fewer rows, it pays to begin walks through many trees together
CHUNK_TREES = 512
_STEP_NS = 1.2  # of one lane, with eight lanes side by side, measured on an AVX-512 machine


def schedules(kernel: TreesTask, target: Target, sizes: Mapping[str, int] | None = None) -> list[Schedule]:
    """Legal schedules, the likely fastest first: one thread if waking others takes longer than the work."""
    del target
    steps = trees_steps(kernel)
    count = usual_size(steps, sizes or {})
    splits = ("serial", "rows") if count * _STEP_NS < SERIAL_NS else ("rows", "serial")
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
    walker, sums = Walker(b, kernel), Sums(b, kernel)
    rows = kernel.slots[0].shape[0]
    lo, hi = (b.i64(0), b.dim(rows)) if is_serial else b.share(rows)
    with b.loop(lo, hi, CHUNK_ROWS) as chunk:
        last = b.minimum(b.ir.add(chunk.index, b.i64(CHUNK_ROWS)), hi)
        with b.loop(chunk.index, last) as row:
            sums.clear(row.index)
        are_many = b.ir.icmp_signed(">=", b.ir.sub(last, chunk.index), b.i64(FEWEST_ROWS))
        end_of_many = b.ir.select(are_many, last, chunk.index)
        _rows_side_by_side(b, walker, sums, chunk.index, end_of_many, lanes)
        with b.loop(end_of_many, last) as row:
            _trees_side_by_side(b, walker, sums, row.index, lanes)
    return b.finish()


def _rows_side_by_side(
    b: KernelBuilder, walker: Walker, sums: Sums, first: ir.Value, last: ir.Value, lanes: int
) -> None:
    """Each tree for all rows from `first` to `last`. The second half of a walk's entry says where its row begins."""
    with b.when(b.ir.icmp_signed("<", first, last)):
        count, highest = b.ir.sub(last, first), b.ir.sub(last, b.i64(1))
        with b.loop(0, b.ir.add(count, b.i64(SPARE))) as number:  # a walk too many goes through the last row again
            row = b.minimum(b.ir.add(first, number.index), highest)
            b.ir.store(walker.offset(row), _second_half(b, _entry(b, number.index)), align=8)
        with b.loop(0, walker.kernel.trees) as tree:
            root = b.ir.mul(tree.index, b.i64(RECORD_BYTES))
            walks = Walks(
                first=b.i64(0),
                last=b.ir.mul(count, b.i64(RECORD_BYTES)),
                table=b.scratch,
                start=lambda number: root,
                line=lambda number: walker.line(b.load(_second_half(b, b.address(b.scratch, number, I8)), I64, 8)),
            )
            walker.walk(walks, lanes)
            sums.add_tree(tree.index, first, last, lambda number: _entry(b, number))


def _trees_side_by_side(b: KernelBuilder, walker: Walker, sums: Sums, row: ir.Value, lanes: int) -> None:
    """One row through all trees. A walk too many starts at a record after the last root."""
    line, trees = walker.line(walker.offset(row)), b.i64(walker.kernel.trees)
    with b.loop(0, trees, CHUNK_TREES) as chunk:
        first = chunk.index
        last = b.minimum(b.ir.add(first, b.i64(CHUNK_TREES)), trees)
        table = b.address(b.scratch, b.ir.mul(first, b.i64(-RECORD_BYTES)), I8)
        begin, end = (b.ir.mul(n, b.i64(RECORD_BYTES)) for n in (first, last))
        walker.walk(Walks(begin, end, table, start=lambda number: number, line=lambda number: line), lanes)
        sums.add_trees(row, first, last, lambda number: _entry(b, number))


def _entry(b: KernelBuilder, walk: ir.Value) -> ir.Value:
    return b.address(b.scratch, b.ir.mul(walk, b.i64(RECORD_BYTES)), I8)


def _second_half(b: KernelBuilder, entry: ir.Value) -> ir.Value:
    return b.address(entry, RECORD_BYTES // 2, I8)


def scratch_bytes(kernel: TreesTask, schedule: Schedule) -> int:
    """The table of the walks of a chunk, and of a few too many."""
    del kernel, schedule
    return (max(CHUNK_TREES, CHUNK_ROWS) + SPARE) * RECORD_BYTES


TREES = CpuTemplate(
    kernel=TreesTask,
    schedules=schedules,
    legal=legal,
    emit=emit,
    options=TreesOptions,
    scratch_bytes=scratch_bytes,
)
