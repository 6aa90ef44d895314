"""One native function per segment. A segment is the launches between two steps that native code cannot execute.

    void segment(i8 *team, i8 **buffers, i64 *profile, i64 *dims, i8 *scratch, i64 thread, i64 threads)

Every thread runs the whole function: it takes slot addresses from the buffer table, does its share of the kernel, and
waits at a barrier if the next launch touches the same data (hazards.py). In a native If, all threads take the same
branch. The time stamp of a launch is taken after its barrier, that is, before the next launch begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llvmlite import ir

from burnish.dims import Dim
from burnish.kernels.task import Binding, Branch, Launch, Step
from burnish.targets.cpu.builder import I8, I64, POINTER, KernelBuilder, KernelContext
from burnish.targets.cpu.check_accesses import announce
from burnish.targets.cpu.hazards import Access, Bytes, Pending
from burnish.targets.cpu.team import emit_barrier, emit_time_stamp


@dataclass(frozen=True, slots=True)
class Call:
    """A launch, ready to be emitted: its function, where its slots lie, its place in the profile."""

    launch: Launch
    function: ir.Function
    bindings: tuple[Binding, ...]
    is_serial: bool  # thread 0 does it
    number: int
    regions: list[tuple[Dim, Dim]] | None = None  # for checked code: the bytes of each slot in its storage


class Segment:
    """Emits one segment. `calls` maps the identity of each launch to its call."""

    def __init__(self, context: KernelContext, name: str, calls: Mapping[int, Call], memory: Bytes) -> None:
        self._k = KernelBuilder(context, name, 3)
        self._team, self._buffers, self._profile = self._k.slots
        self._calls, self._memory = calls, memory
        self._is_profiled = self._k.ir.icmp_unsigned("!=", self._profile, POINTER(None))
        is_first = self._k.ir.icmp_unsigned("==", self._k.thread, I64(0))
        self._is_timed = self._k.ir.and_(self._is_profiled, is_first)
        self._pending = Pending()
        self._unstamped: int | None = None

    def emit(self, steps: Sequence[Step]) -> ir.Function:
        self._steps(steps)
        if self._unstamped is not None:
            with self._k.when(self._is_profiled):
                self._barrier()
                self._stamp()
        return self._k.finish()

    def _steps(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if isinstance(step, Launch):
                self._launch(self._calls[id(step)])
            else:
                assert isinstance(step, Branch), step
                self._branch(step)

    def _launch(self, call: Call) -> None:
        self._keep_apart(self._memory.launch(call.launch, call.is_serial))
        self._stamp()
        pairs = zip(call.launch.kernel.slots, call.bindings)
        slots = [self._address(binding, slot.dtype.size_bytes) for slot, binding in pairs]
        k = self._k
        if call.regions is not None:
            ends = [[self._byte(b, end) for end in region] for b, region in zip(call.bindings, call.regions)]
            announce(k, call.number, ends)
        k.ir.call(call.function, [*slots, k.dims, k.scratch, k.thread, k.threads])
        self._unstamped = call.number

    def _branch(self, step: Branch) -> None:
        """Each side starts with the accesses pending before the If. After it, those that either side left are."""
        k = self._k
        self._keep_apart([self._memory.whole(step.condition.storage, False)])
        self._stamp()
        truth = k.ir.load(self._address(step.condition, 1), align=1, typ=I8)
        before = self._pending
        ends = []
        with k.ir.if_else(k.ir.icmp_unsigned("!=", truth, I8(0))) as sides:
            for side, chosen in zip(sides, (step.then, step.otherwise)):
                with side:
                    self._pending = before.joined(Pending())
                    self._steps(chosen)
                    self._stamp()
                    ends.append(self._pending)
        self._pending = ends[0].joined(ends[1])

    def _keep_apart(self, wanted: Sequence[Access]) -> None:
        """A barrier, if the next launch must not overlap with pending accesses."""
        if self._pending.conflict(wanted):
            self._barrier()
            self._pending = Pending()
        self._pending.add(wanted)

    def _barrier(self) -> None:
        emit_barrier(self._k.ir, self._team, self._k.threads)

    def _stamp(self) -> None:
        if self._unstamped is not None:
            with self._k.when(self._is_timed):
                emit_time_stamp(self._k.ir, self._profile, 1 + self._unstamped)
            self._unstamped = None

    def _byte(self, binding: Binding, offset: Dim) -> ir.Value:
        return self._address(Binding(binding.storage, offset), 1)

    def _address(self, binding: Binding, element_bytes: int) -> ir.Value:
        k = self._k
        entry = k.address(self._buffers, binding.storage, POINTER)
        base = k.ir.load(entry, align=8, typ=POINTER)
        offset = k.dim(binding.offset * element_bytes)
        return k.address(base, offset, I8)
