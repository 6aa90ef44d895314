"""Schedules of kernels of windows, ranked by a cost model. What their options mean: `WindowOptions`.

    issuing    products, loads and widening, addresses: one a clock, four at once in a processor
    requests   loads of whole warps, by the cache beside a processor
    memory     the images once; the shorter a run of channels, the slower
    waiting    waves of resident programs, as many as registers allow; a program waits for the rows of its input,
               1 + ahead of them at once, one time after the other
The time is the longest of these plus a part of the shorter ones. If the chip needs longer to start so many programs,
that time counts instead.

Constants are fitted to 55 kernels on an H200 (3x3 to 7x7, the waits counted in the machine code): at batches 8 and 128
half of the predicted times are within 9 % (before: 20 %). Times at batch 1 came from code in which loads waited for
each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product as indexes
from math import prod

from burnish.dims import known, product
from burnish.kernels.task import Loops
from burnish.kernels.usual_size import usual_size
from burnish.ops.language.expr import COSTLY, Axis, walk
from burnish.target import Target
from burnish.targets.cuda.chips import Chip, chip_of
from burnish.targets.cuda.loops.axes import next_power
from burnish.targets.cuda.loops.options import WindowOptions
from burnish.targets.cuda.loops.variety import varied
from burnish.targets.cuda.loops.window.recognise import Window, Windows
from burnish.targets.cuda.spread import FROM_MEMORY, Spread

MOST_PRODUCTS = 600  # of a patch, and
MOST_OPERATIONS = 2000  # of a thread: straight-line code, compiled in seconds
MOST_REGISTERS = 210  # by the model, which may be off by
MARGIN = 1.1
AHEAD = (0, 1, 3)  # and all rows
KEPT, ALIKE = 24, 2
_CLOCKS = 1900.0  # a microsecond
_PRODUCT_CLOCKS = 4  # until a sum takes its next product
_WIDENING = 1.65  # a conversion from f16 counts as so many instructions
_COSTLY = 13.0  # and an exp or the like
_REQUEST_CLOCKS = 2  # of the load and store unit, for a warp's request
_AGAIN = 0.02  # of bytes that neighbours read once more
_SHORT_BYTES = 28.0  # the cost of a run of neighbours besides its bytes
_UNHIDDEN = 0.27  # the share of shorter parts that the longest part does not hide


@dataclass(frozen=True)
class _Patch:
    """The work of one lane for one channel. elements: loaded from the image; rows, columns: of these elements."""

    down: int
    across: int
    products: int
    elements: int
    rows: int
    columns: int
    weights: int
    live_weights: int

    @property
    def results(self) -> int:
        return self.down * self.across

    @property
    def loads(self) -> int:
        return self.elements + self.weights


@dataclass(frozen=True)
class _Launch:
    """A schedule on a chip.

    counts    patches along each axis, and channels
    """

    patch: _Patch
    rows: int
    block: int
    warps: int
    ahead: int
    counts: tuple[int, ...]
    spread: Spread

    @property
    def vector(self) -> int:
        """Channels, or patches, that a thread has."""
        return self.rows * self.block // (32 * self.warps)


def ranked(kernel: Loops, windows: Windows, target: Target, sizes: Mapping[str, int]) -> list[WindowOptions]:
    """The best schedules of an arranged kernel, cheapest first, with at most a few that are alike."""
    model = _Model(kernel, windows, chip_of(target), sizes)
    found: dict[WindowOptions, float] = {}
    for patch in _patches(windows):
        for rows, block, warps in _tiles(windows, model.item):
            vector = rows * block // (32 * warps)
            if vector > 1 and vector * patch.products > MOST_OPERATIONS:
                continue
            for ahead in sorted({min(n, patch.rows - 1) for n in (*AHEAD, patch.rows - 1)}):
                registers = model.registers(patch, vector, ahead)
                if registers <= MOST_REGISTERS:
                    room = model.chip.registers // (32 * warps * model.resident(32 * warps, registers))
                    most = 0 if model.is_strided else min(255, room // 8 * 8)
                    options = WindowOptions(patch.down, patch.across, rows, block, warps, ahead, registers=most)
                    found[options] = model.microseconds(patch, rows, block, warps, ahead)
    best = sorted(found.items(), key=lambda item: (item[1], str(item[0].schedule)))
    alike: Counter[tuple[int, ...]] = Counter()
    kept = []
    for options, _ in best:
        kind = (options.down, options.across, options.rows * options.block // options.warps)
        alike[kind] += 1
        if alike[kind] <= ALIKE:
            kept.append(options)
    return varied(kept, {("down", "across"): 2, ("warps",): 3, ("ahead",): 4})[:KEPT]


def is_possible(windows: Windows, options: WindowOptions) -> bool:
    """Can the kernel of these windows be written with these options, for all sizes?"""
    patch = next((p for p in _patches(windows) if (p.down, p.across) == (options.down, options.across)), None)
    tiles = _tiles(windows, 1)  # elements of one byte have the most
    if patch is None or (options.rows, options.block, options.warps) not in tiles:
        return False
    return 0 <= options.ahead < patch.rows and 0 <= options.registers <= 255


def _patches(windows: Windows) -> Iterator[_Patch]:
    taps = sum(w.taps for w in windows.found)
    for down, across in indexes(_sizes(windows, windows.down), _sizes(windows, windows.across)):
        if down * across == 1 or taps * down * across <= MOST_PRODUCTS:
            yield _patch(windows, down, across)


def _sizes(windows: Windows, a: Axis | None) -> list[int]:
    """The numbers of results that a patch may have along an axis: if they do not divide it, few are computed twice."""
    if a is None or not isinstance(a.extent, int):
        return [1]
    extent = a.extent
    fitting = [n for n in (1, 2, 3, 4, 5, 6, 7, 8) if n <= extent]
    if not windows.overlaps:
        return [n for n in fitting if extent % n == 0]
    return [n for n in fitting if -(-extent // n) * n <= 1.25 * extent]


def _tiles(windows: Windows, item: int) -> Iterator[tuple[int, int, int]]:
    """(rows, block, warps)"""
    most = next_power(known(windows.channels.extent))
    for vector, block, warps in indexes((1, 2, 4, 8), (8, 16, 32, 64, 128), (1, 2, 4, 8)):
        if vector * item <= 16 and vector <= block <= most and 32 * warps * vector >= block:
            yield 32 * warps * vector // block, block, warps


def _patch(windows: Windows, down: int, across: int) -> _Patch:
    elements = tall = wide = weights = live = 0
    for reads in {tuple(_steps(w, windows)): w for w in windows.found}.values():
        rows, columns = _places(reads, windows, down, across)
        elements, tall, wide = elements + rows * columns, max(tall, rows), wide + columns
    for w in windows.found:
        if w.weight is not None:
            last = known(w.axes[-1].extent)
            weights, live = weights + w.taps, live + min(w.taps, down * last)
    products = down * across * sum(w.taps for w in windows.found)
    return _Patch(down, across, products, elements, max(1, tall), wide, weights, live)


def _steps(w: Window, windows: Windows) -> list[int]:
    """Elements that one step moves: of results, of taps, down and across."""
    steps = {} if w.reads is None else w.reads.coefficients
    axes = (windows.down, windows.across, *w.axes)
    return [known(steps.get(a, 0)) if a is not None else 0 for a in axes]


def _places(w: Window, windows: Windows, down: int, across: int) -> tuple[int, int]:
    """The number of rows that a patch reads, and of elements in each."""
    if w.reads is None:
        return 0, 0
    to_down, to_across, *taps = _steps(w, windows)
    outer = [range(known(a.extent)) for a in w.axes[:-1]]
    last = range(known(w.axes[-1].extent))
    rows = {q * to_down + sum(n * s for n, s in zip(at, taps)) for q in range(down) for at in indexes(*outer)}
    columns = {p * to_across + n * taps[-1] for p in range(across) for n in last}
    return len(rows), len(columns)


class _Model:
    """Costs of one kernel on one chip.

    us = launch + first + max(longest + unhidden * others, dispatch)      longest of issuing, requests, waiting, memory
    """

    def __init__(self, kernel: Loops, windows: Windows, chip: Chip, sizes: Mapping[str, int]) -> None:
        self.windows, self.chip = windows, chip
        self.extents = {a: usual_size(a.extent, sizes) for a in kernel.domain}
        self.item = max(1, min(s.dtype.size_bytes for s in kernel.slots))
        self.bytes = float(sum(usual_size(product(s.shape), sizes) * s.dtype.size_bytes for s in kernel.slots))
        outside = {e for s in kernel.stores for e in walk(s.value)}
        inside = {e for w in windows.found for e in walk(w.reduction)}
        self.is_strided = any(across > taps[-1] for _, across, *taps in (_steps(w, windows) for w in windows.found))
        self.epilogue = sum(_COSTLY if e.op in COSTLY else 1 for e in outside - inside if e.args)
        self._halos: dict[tuple[_Patch, int], float] = {}

    def registers(self, patch: _Patch, vector: int, ahead: int) -> float:
        """Registers of a thread: sums, weights that later rows use too, loads in flight in their type in memory."""
        row = patch.columns + patch.weights / patch.rows
        found = 16 + vector * (patch.results + patch.live_weights / 2 + 1) + (1 + ahead) * row * self._words(vector)
        return 2 * found if self.is_strided else found

    def resident(self, threads: int, registers: float) -> int:
        """Programs of a processor at once."""
        return max(1, self.chip.resident(threads, MARGIN * registers))

    def _words(self, vector: int) -> int:
        """Registers of one load."""
        return max(1, vector * self.item // 4)

    def microseconds(self, patch: _Patch, rows: int, block: int, warps: int, ahead: int) -> float:
        """One launch."""
        launch = self._launch(patch, rows, block, warps, ahead)
        if launch.spread.programs == 0:
            return 0.0
        parts = (self._issuing(launch), self._requests(launch), self._waiting(launch), self._memory(launch))
        return launch.spread.microseconds(parts, _UNHIDDEN)

    def _launch(self, patch: _Patch, rows: int, block: int, warps: int, ahead: int) -> _Launch:
        """The programs, and their distribution over the processors."""
        sizes = {self.windows.across: patch.across, self.windows.down: patch.down}
        counts = tuple(-(-n // sizes.get(a, 1)) for a, n in self.extents.items())
        programs = -(-prod(counts[:-1]) // rows) * -(-counts[-1] // block)
        return _Launch(patch, rows, block, warps, ahead, counts, Spread(self.chip, programs))

    def _issuing(self, launch: _Launch) -> float:
        """Instructions of all warps: one a clock in each of a processor's four parts."""
        instructions = self._instructions(launch.patch, launch.vector)
        spread = launch.spread
        return spread.programs * launch.warps * instructions / (spread.busy * 4 * _CLOCKS) * spread.uneven

    def _requests(self, launch: _Launch) -> float:
        """Loads of all warps: 128 bytes a clock, and some clocks a load, from the cache beside each processor."""
        clocks = max(_REQUEST_CLOCKS, 32 * launch.vector * self.item / 128)
        spread = launch.spread
        return spread.programs * launch.warps * launch.patch.loads * clocks / (spread.busy * _CLOCKS) * spread.uneven

    def _waiting(self, launch: _Launch) -> float:
        """Waves of resident programs. Each program waits for its rows and then for its sums."""
        patch, vector, threads = launch.patch, launch.vector, 32 * launch.warps
        waves = max(1.0, launch.spread.share / self.resident(threads, self.registers(patch, vector, launch.ahead)))
        chains = min(_PRODUCT_CLOCKS, vector * patch.results)  # sums that do not wait for each other
        stalls = vector * patch.products * (_PRODUCT_CLOCKS / chains - 1)
        of_thread = (self._instructions(patch, vector) + stalls) / _CLOCKS
        return waves * (-(-patch.rows // (1 + launch.ahead)) * self.chip.latency_us + of_thread)

    def _memory(self, launch: _Launch) -> float:
        """The images once, plus what neighbours read again; short runs of channels cost more than their bytes."""
        run = min(launch.block, launch.counts[-1]) * self.item
        again = _AGAIN * self._halo(launch.patch, launch.rows, launch.counts)
        moved = self.bytes * (FROM_MEMORY + again) * (1.0 + _SHORT_BYTES / run)
        return moved / self.chip.bandwidth * launch.spread.uneven

    def _instructions(self, patch: _Patch, vector: int) -> float:
        """Of a thread."""
        loads = patch.loads
        widening = _WIDENING if self.item < 4 else 0.0
        return vector * (patch.products + widening * loads + patch.results * self.epilogue) + 60 + 2 * loads

    def _halo(self, patch: _Patch, rows: int, counts: tuple[int, ...]) -> float:
        """The data that a program reads outside its own part of the image, as a share of that part."""
        if (patch, rows) in self._halos:
            return self._halos[patch, rows]
        wide = min(rows, counts[-2])
        tall = max(1, rows // wide)
        down, across = tall * patch.down, wide * patch.across
        first = next(w for w in self.windows.found if w.reads is not None)
        height, width = _places(first, self.windows, down, across)
        alone, step = _places(first, self.windows, 1, 1), _places(first, self.windows, 2, 2)
        own = max(1, step[0] - alone[0]) * down * max(1, step[1] - alone[1]) * across
        found = self._halos[patch, rows] = max(0.0, height * width / own - 1.0)
        return found
