"""Schedules of kernels of windows, ranked by a cost model.

down, across  results of a patch, which one lane computes
rows, block   patches and channels of a tile;  warps: of a program, 32 threads each

    instructions   products, what is loaded and widened, addresses: at four a clock and processor
    memory         images once, and a part of what neighbouring programs read again
    waiting        waves of resident programs, as many as registers allow, each as long as one lane takes
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product as indexes
from math import prod

from burnish.dims import product
from burnish.lower.schedule import Schedule
from burnish.lower.task import Loops
from burnish.ops.expr import COSTLY, Axis, walk
from burnish.target import Target
from burnish.targets.cuda.chips import Chip, chip_of
from burnish.targets.cuda.loops_axes import next_power
from burnish.targets.cuda.loops_cost import size
from burnish.targets.cuda.loops_window import Window, Windows

MOST_PRODUCTS = 400  # of a patch: straight-line code, compiled in seconds
MOST_OPERATIONS = 2000  # of a thread
MOST_REGISTERS = 200
KEPT, ALIKE = 24, 2
_CLOCKS = 1600.0  # a microsecond
_LATENCY_US = 0.7
_THREADS, _PROGRAMS, _REGISTERS = 2048, 32, 65536  # of a processor
_SHORT_BYTES = 8.0  # what a run of neighbours costs beside its bytes
_AGAIN = 0.2  # of bytes that neighbours read once more come from HBM again


@dataclass(frozen=True)
class _Patch:
    """What one lane does for one channel. elements: loaded from the image; rows, columns: of them"""

    down: int
    across: int
    products: int
    elements: int
    columns: int
    weights: int
    live_weights: int

    @property
    def results(self) -> int:
        return self.down * self.across


def ranked(kernel: Loops, windows: Windows, target: Target, sizes: Mapping[str, int]) -> list[Schedule]:
    """The best schedules of an arranged kernel, cheapest first, no more than a few that are alike."""
    model = _Model(kernel, windows, chip_of(target), sizes)
    found: dict[Schedule, float] = {}
    for patch in _patches(windows):
        for rows, block, warps in _tiles(windows, model.item):
            schedule = Schedule.of("window", down=patch.down, across=patch.across, rows=rows, block=block, warps=warps)
            vector = rows * block // (32 * warps)
            is_short = vector == 1 or vector * patch.products <= MOST_OPERATIONS
            if is_short and model.registers(patch, vector) <= MOST_REGISTERS:
                found[schedule] = model.microseconds(patch, rows, block, warps)
    best = sorted(found.items(), key=lambda item: (item[1], str(item[0])))
    alike: Counter[tuple[int, ...]] = Counter()
    kept = []
    for schedule, _ in best:
        down, across, rows, block, warps = (int(v) for _, v in schedule.options)
        kind = (down, across, rows * block // warps)
        alike[kind] += 1
        if alike[kind] <= ALIKE:
            kept.append(schedule)
    return kept[:KEPT]


def _patches(windows: Windows) -> Iterator[_Patch]:
    taps = sum(w.taps for w in windows.found)
    for down, across in indexes(_sizes(windows, windows.down), _sizes(windows, windows.across)):
        if down * across == 1 or taps * down * across <= MOST_PRODUCTS:
            yield _patch(windows, down, across)


def _sizes(windows: Windows, a: Axis | None) -> list[int]:
    """How many results a patch may have along an axis: few are computed twice where they do not divide it."""
    if a is None or not isinstance(a.extent, int):
        return [1]
    extent = a.extent
    fitting = [n for n in (1, 2, 3, 4, 5, 6, 7, 8) if n <= extent]
    if not windows.overlaps:
        return [n for n in fitting if extent % n == 0]
    return [n for n in fitting if -(-extent // n) * n <= 1.25 * extent]


def _tiles(windows: Windows, item: int) -> Iterator[tuple[int, int, int]]:
    """(rows, block, warps)"""
    most = next_power(int(str(windows.channels.extent)))
    for vector, block, warps in indexes((1, 2, 4, 8), (8, 16, 32, 64, 128), (1, 2, 4, 8)):
        if vector * item <= 16 and vector <= block <= most and 32 * warps * vector >= block:
            yield 32 * warps * vector // block, block, warps


def _patch(windows: Windows, down: int, across: int) -> _Patch:
    elements = columns = weights = live = 0
    for reads in {tuple(_steps(w, windows)): w for w in windows.found}.values():
        rows, places = _places(reads, windows, down, across)
        elements, columns = elements + rows * places, columns + places
    for w in windows.found:
        if w.weight is not None:
            last = int(str(w.axes[-1].extent))
            weights, live = weights + w.taps, live + min(w.taps, down * last)
    products = down * across * sum(w.taps for w in windows.found)
    return _Patch(down, across, products, elements, columns, weights, live)


def _steps(w: Window, windows: Windows) -> list[int]:
    """Elements that one step moves: of results, of taps, down and across."""
    steps = {} if w.reads is None else w.reads.coefficients
    axes = (windows.down, windows.across, *w.axes)
    return [int(str(steps.get(a, 0))) if a is not None else 0 for a in axes]


def _places(w: Window, windows: Windows, down: int, across: int) -> tuple[int, int]:
    """How many rows, and elements of a row, a patch reads."""
    if w.reads is None:
        return 0, 0
    to_down, to_across, *taps = _steps(w, windows)
    outer = [range(int(str(a.extent))) for a in w.axes[:-1]]
    last = range(int(str(w.axes[-1].extent)))
    rows = {q * to_down + sum(n * s for n, s in zip(at, taps)) for q in range(down) for at in indexes(*outer)}
    columns = {p * to_across + n * taps[-1] for p in range(across) for n in last}
    return len(rows), len(columns)


class _Model:
    """Costs of one kernel on one chip."""

    def __init__(self, kernel: Loops, windows: Windows, chip: Chip, sizes: Mapping[str, int]) -> None:
        self.windows, self.chip = windows, chip
        self.extents = {a: size(a.extent, sizes) for a in kernel.domain}
        self.item = max(1, min(s.dtype.size_bytes for s in kernel.slots))
        self.bytes = float(sum(size(product(s.shape), sizes) * s.dtype.size_bytes for s in kernel.slots))
        outside = {e for s in kernel.stores for e in walk(s.value)}
        inside = {e for w in windows.found for e in walk(w.reduction)}
        self.epilogue = 4 + sum(20 if e.op in COSTLY else 1 for e in outside - inside if e.args)

    def registers(self, patch: _Patch, vector: int) -> float:
        """Of a thread: sums, a row of the image as memory has it, weights of the taps that use it."""
        return 26 + vector * (patch.results + patch.columns * self.item / 4 + patch.live_weights + 1)

    def microseconds(self, patch: _Patch, rows: int, block: int, warps: int) -> float:
        """One launch."""
        vector, threads = rows * block // (32 * warps), 32 * warps
        counts = [
            -(-n // (patch.across if a == self.windows.across else patch.down if a == self.windows.down else 1))
            for a, n in self.extents.items()
        ]
        programs = -(-prod(counts[:-1]) // rows) * -(-counts[-1] // block)
        if programs == 0:
            return 0.0
        loads = patch.elements + patch.weights
        instructions = vector * (patch.products + loads + patch.results * self.epilogue)
        instructions += 60 + 2 * loads + 4 * patch.results
        fitting = int(_REGISTERS // (threads * self.registers(patch, vector)))
        resident = max(1, min(_THREADS // threads, _PROGRAMS, fitting))
        share = programs / self.chip.processors
        uneven = -(-programs // self.chip.processors) / share if share < 8 else 1.0
        busy = min(programs, self.chip.processors)
        together = min(resident, max(1.0, share)) * warps / 4  # warps that take turns
        rate = min(1.0, 0.35 + 0.2 * together)
        working = programs * warps * instructions / (busy * 4 * _CLOCKS * rate) * (uneven if share >= 1 else 1.0)
        level1 = programs * threads * vector * loads * self.item / (busy * 128 * _CLOCKS)
        waiting = max(1.0, share / resident) * (_LATENCY_US + 2 * instructions / _CLOCKS)
        again = self._halo(patch, rows, counts) * self.bytes
        run = min(block, counts[-1]) * self.item
        memory = (self.bytes + _AGAIN * again) * max(1.0, 32 / run) * (1.0 + _SHORT_BYTES / run) / self.chip.bandwidth
        level2 = (self.bytes + again) / (self.chip.processors * 0.4 * self.chip.l2_bandwidth)
        parts = (working, level1, waiting, memory, level2, share * 0.012)
        return self.chip.launch_us + max(parts) + 0.2 * (sum(parts) - max(parts))

    def _halo(self, patch: _Patch, rows: int, counts: list[int]) -> float:
        """What a program reads beside its own part of the image, as a share of that."""
        wide = min(rows, counts[-2])
        tall = max(1, rows // wide)
        down, across = tall * patch.down, wide * patch.across
        first = next(w for w in self.windows.found if w.reads is not None)
        height, width = _places(first, self.windows, down, across)
        alone, step = _places(first, self.windows, 1, 1), _places(first, self.windows, 2, 2)
        own = max(1, step[0] - alone[0]) * down * max(1, step[1] - alone[1]) * across
        return max(0.0, height * width / own - 1.0)
