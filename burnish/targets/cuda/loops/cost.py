"""The cost of a loops kernel with a schedule, in microseconds.

the longest of   waves of resident programs x phases that wait for memory one after the other
                 bytes through HBM, each once, in sectors of 32 bytes
                 bytes and requests through L1, counted each time they are requested
                 operations; a long function counts as many
plus a part of the shorter ones. If the chip needs longer to start so many programs, that time counts instead.
Lanes beyond an end count if they take time.

Constants are fitted to 168 pairs of a kernel and a tactic on an H200, from eight networks at batches 1, 8 and 128: half
of the predicted times are within 12 % (before: 32 %).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from burnish.dims import Dim, product
from burnish.kernels.facts import Address, Facts
from burnish.kernels.task import Loops
from burnish.kernels.usual_size import usual_size
from burnish.ops.language.expr import COSTLY, Axis, Expr, axis, linear, substitute, substitute_axes, unary, walk
from burnish.target import Target
from burnish.targets.cuda.chips import chip_of
from burnish.targets.cuda.loops.arrange import Groups, groups_of, reductions
from burnish.targets.cuda.loops.axes import next_power
from burnish.targets.cuda.loops.options import LoopsOptions
from burnish.targets.cuda.loops.reductions import AHEAD, UNROLL_LIMIT
from burnish.targets.cuda.spread import FROM_MEMORY, Spread

_CONVERSION_US = 0.01
_CLOCKS = 1600.0  # a microsecond
_SECTOR = 32
_SHORT_BYTES = 6.0
_UNHIDDEN = 0.1  # the share of shorter parts that the longest part does not hide
_LOCKSTEP = 0.6  # added to it if all programs start at once: they wait together, then work together
_REQUEST_CLOCKS = 6  # of the load and store unit, for a warp's request
_INSTRUCTION_CLOCKS = 4  # of a thread: its next instruction mostly needs the result of this one
_AGAIN = 0.3  # of bytes that are requested again come from HBM again
_CONVERTED = 64  # loads at most that wait for shared memory one after the other
_NEAR = 4  # elements so far apart share sectors
_FREE = frozenset(("const", "axis", "dim", "acc", "cast"))


@dataclass(frozen=True)
class _Tile:
    """A schedule, and the extents of the domain's groups."""

    groups: Groups
    options: LoopsOptions
    height: int  # blocks of `repeat` count as one
    width: int
    scalars: int

    @property
    def tiles_across(self) -> int:
        return -(-self.width // self.options.block) if self.groups.columns else 1

    @property
    def programs(self) -> int:
        down = -(-self.height // self.options.rows) if self.groups.rows else 1
        return self.scalars * down * (self.tiles_across if self.groups.columns_in_grid else 1)

    @property
    def per_thread(self) -> float:
        return self.options.rows * self.options.block / (32 * self.options.warps)

    @property
    def lanes(self) -> int:
        """Of all programs."""
        return self.programs * self.options.rows * self.options.block * self.options.repeat


class Cost:
    """Costs of one arranged kernel on one target."""

    def __init__(self, kernel: Loops, target: Target, sizes: Mapping[str, int]) -> None:
        self.kernel, self.sizes, self.facts = kernel, sizes, Facts(kernel.slots)
        self.chip = chip_of(target)
        self.reduced = reductions(kernel)
        self.around = _reduced_axes(kernel)
        self._nodes: dict[tuple[Axis, ...], list[Expr]] = {}
        self._groups: dict[tuple[int, int], Groups] = {}
        self._sizes: dict[tuple[Axis, ...], int] = {}
        self._steps_along: dict[int, tuple[dict[Axis, Dim], frozenset[Axis]]] = {}

    def microseconds(self, options: LoopsOptions) -> float:
        """One launch."""
        tile = self._tile(options)
        if tile.programs == 0:
            return 0.0
        requests = moved = operations = steps = 0.0
        memory: dict[int, float] = {}
        for node in self._nodes_of(tile):
            if node.op in _FREE:
                continue
            evaluated = lanes = self._lanes(node, tile)
            if node.op == "load":
                address = self.facts.address(node.attr, node.args)
                run, item = self._run(address, tile), self.kernel.slots[node.attr].dtype.size_bytes
                elements = min(lanes, usual_size(product(self.kernel.slots[node.attr].shape), self.sizes))
                brought = elements * item * self._waste(self._run(address, tile, _NEAR) * item)
                before = memory.get(node.attr, 0.0)
                memory[node.attr] = max(before, brought) + _AGAIN * min(before, brought)
                lanes *= self._shared(node, tile.options.repeat)
                requests += lanes / min(run, max(1.0, tile.per_thread), 16 // item)
                moved += lanes * max(item, 1)
            steps += evaluated
            if node.op != "load" and not (node.dtype.is_integer and self._is_index(node)):
                weight = 20 if node.op in COSTLY else 4 if node.op in ("div", "mod", "floordiv") else 1
                operations += evaluated * weight
        everything = float(tile.lanes)
        everything *= 1 if tile.groups.columns_in_grid else tile.tiles_across
        for store in self.kernel.stores:
            address = self.facts.address(store.slot, store.index)
            run, item = self._run(address, tile), self.kernel.slots[store.slot].dtype.size_bytes
            written = tile.scalars * tile.height * tile.options.repeat * tile.width * item * self._waste(run * item)
            memory[store.slot] = memory.get(store.slot, 0.0) + written
            requests += everything / min(run, max(1.0, tile.per_thread), 16 // item)
            moved += everything * item
        level1 = max(requests / 32 * _REQUEST_CLOCKS, moved / 128)
        return self._time(tile, sum(memory.values()), level1, operations, steps)

    def _time(self, tile: _Tile, memory: float, level1: float, operations: float, steps: float) -> float:
        """memory: bytes; level1: clocks; operations: lanes, long ones counted as many; steps: lanes, of anything."""
        chip, threads = self.chip, 32 * tile.options.warps
        most = min(255.0, chip.registers / threads)
        registers = 24 + 3 * tile.per_thread * (1 + tile.options.repeat if tile.options.repeat > 1 else 1)
        spread, resident = Spread(chip, tile.programs), max(1, chip.resident(threads, min(registers, most)))
        waves = max(1.0, spread.share / resident)
        of_thread = steps / tile.programs / threads * _INSTRUCTION_CLOCKS / _CLOCKS
        phases = self._phases(tile) * (chip.latency_us + 0.02 * (tile.options.warps - 1))
        waiting = waves * (phases + of_thread + self._conversions(tile) * _CONVERSION_US)
        spill = 1.0 + max(0.0, registers - 0.85 * most) / 32
        working = spill * max(level1, operations / 128) / (spread.busy * _CLOCKS) * spread.uneven
        working *= 1.0 + 0.1 * max(0, len(tile.groups.columns) - 1)  # indexes are taken apart
        parts = (waiting, FROM_MEMORY * memory / chip.bandwidth * spread.uneven, working)
        return spread.microseconds(parts, _UNHIDDEN + _LOCKSTEP / waves)

    def _tile(self, options: LoopsOptions) -> _Tile:
        layout = options.columns, options.across
        if layout not in self._groups:
            self._groups[layout] = groups_of(self.kernel, *layout)
        groups = self._groups[layout]
        height, width, scalars = (self._size(axes) for axes in (groups.rows, groups.columns, groups.scalars))
        return _Tile(groups, options, height // options.repeat, width, scalars)

    def _shared(self, node: Expr, repeat: int) -> float:
        """The share of a window's loads that remains if neighbouring windows are taken together."""
        windows = [a for a in self.around.get(node, frozenset()) if a in self.facts.free(node)]
        if repeat == 1 or not windows:
            return 1.0
        kept = self.kernel.domain[-2] in self.facts.free(node)
        steps = max(1, usual_size(max(windows, key=lambda a: a.name).extent, self.sizes))
        return (steps + repeat - 1) / (steps * repeat) if kept else 1.0 / repeat

    def _conversions(self, tile: _Tile) -> int:
        """Loads of one row for all rows. Triton brings them to the tile's threads through shared memory.

        If there are more threads than elements, Triton loads the elements again instead.
        """
        if tile.options.rows == 1 or tile.options.block < 32 * tile.options.warps:
            return 0
        rows, columns = set(tile.groups.rows), set(tile.groups.columns)
        total = 0
        for node in self._nodes_of(tile):
            free = self.facts.free(node)
            if node.op == "load" and free & columns and not free & rows:
                total += self._size(tuple(self.around.get(node, frozenset()) & free))
        return min(total, _CONVERTED)

    def _phases(self, tile: _Tile) -> float:
        """The number of times that a program waits for memory: chunks of reductions, then the stores' columns."""
        total = 0.0
        columns = set(tile.groups.columns)
        for e in self.reduced:
            extent = self._size(e.attr[1])
            free = self.facts.free(e)
            if not free & columns:
                shared = tile.width <= tile.options.block and columns and extent == tile.width
                total += 0.1 if shared else -(-extent // tile.options.block)
            elif tile.options.down:
                total += -(-extent // tile.options.rows)
            else:
                total += tile.options.repeat * (-(-extent // AHEAD) if extent <= UNROLL_LIMIT else extent)
        return total + (1 if tile.groups.columns_in_grid else tile.tiles_across)

    def _lanes(self, node: Expr, tile: _Tile) -> float:
        """The number of evaluations of a node in all programs, including lanes beyond an end."""
        free = self.facts.free(node)
        over_columns = not free.isdisjoint(tile.groups.columns)
        over_rows = not free.isdisjoint(tile.groups.rows)
        total = float(tile.programs)
        if over_rows:
            total *= tile.options.rows * tile.options.repeat
        if over_columns:
            total *= tile.options.block * (1 if tile.groups.columns_in_grid else tile.tiles_across)
        around = self.around.get(node)
        if around and (reduced := around & free):
            extent = self._size(tuple(reduced))
            if not over_columns:
                extent = _padded(extent, min(tile.options.block, next_power(extent)))
            elif tile.options.down:
                extent = _padded(extent, tile.options.rows)
            total *= extent
        return total

    def _nodes_of(self, tile: _Tile) -> list[Expr]:
        """Every expression. If whole rows are in the tile, reductions over rows reuse values that the row holds."""
        columns = tile.groups.columns if tile.width <= tile.options.block else ()
        found = self._nodes.get(columns)
        if found is None:
            roots = [_on_columns(s.value, columns, self.facts) if columns else s.value for s in self.kernel.stores]
            found = self._nodes[columns] = list(dict.fromkeys(e for root in roots for e in walk(root)))
        return found

    def _run(self, address: Address, tile: _Tile, near: int = 1) -> float:
        """How many neighbours in memory, or elements at most `near` apart, the lanes of a tile request together."""
        best = 1
        candidates = [(tile.groups.columns, tile.options.block), (tile.groups.rows, tile.options.rows)]
        at_once = tile.options.rows if tile.options.down else tile.options.block
        candidates += [(e.attr[1], at_once) for e in self.reduced]
        if id(address) not in self._steps_along:  # `facts` keeps the address alive, so its id stays unique
            self._steps_along[id(address)] = self._steps(address)
        steps, varying = self._steps_along[id(address)]
        for axes, reach in candidates:
            run = 1
            for a in reversed(axes):
                step = steps.get(a, 0)
                if a in varying or not isinstance(step, int) or not run <= abs(step) <= near * run:
                    break
                run *= usual_size(a.extent, self.sizes)
            best = max(best, min(run, reach))
        return float(best)

    def _steps(self, address: Address) -> tuple[dict[Axis, Dim], frozenset[Axis]]:
        """The address's step along each axis, ignoring clamps; and the axes that gather."""
        steps = dict(address.form.coefficients)
        varying: set[Axis] = set()
        pending = list(address.atoms)
        while pending:
            e, factor = pending.pop()
            form = linear(e)
            if form is not None:
                for a, c in form.coefficients.items():
                    steps[a] = steps.get(a, 0) + c * factor
            elif e.op in ("add", "sub"):
                pending += [(e.args[0], factor), (e.args[1], factor if e.op == "add" else factor * -1)]
            elif e.op in ("max", "min"):
                pending += [(x, factor) for x in e.args if self.facts.free(x)]
            else:
                varying |= self.facts.free(e)
        return steps, frozenset(varying)

    def _is_index(self, node: Expr) -> bool:
        return not self.facts.loads(node)

    @staticmethod
    def _waste(run_bytes: float) -> float:
        """The factor by which short runs cost more: memory moves whole sectors, and long runs move faster."""
        return max(1.0, _SECTOR / run_bytes) * (1.0 + _SHORT_BYTES / run_bytes)

    def _size(self, axes: tuple[Axis, ...]) -> int:
        if axes not in self._sizes:
            self._sizes[axes] = usual_size(product(a.extent for a in axes), self.sizes)
        return self._sizes[axes]


def _on_columns(root: Expr, columns: tuple[Axis, ...], facts: Facts) -> Expr:
    """Replace reductions with the extent of the columns by values that are computed in the columns."""
    extents = [a.extent for a in columns]

    def replace(e: Expr) -> Expr | None:
        if e.op != "reduce" or [a.extent for a in e.attr[1]] != extents or facts.free(e) & set(columns):
            return None
        return unary("neg", substitute_axes(e.args[0], {a: axis(c) for a, c in zip(e.attr[1], columns)}))

    return substitute(root, replace)


def _padded(extent: int, block: int) -> int:
    return -(-extent // block) * block


def _reduced_axes(kernel: Loops) -> dict[Expr, frozenset[Axis]]:
    """The axes of the reductions around each node."""
    found: dict[Expr, frozenset[Axis]] = {}
    for store in kernel.stores:
        for node in reversed(walk(store.value)):
            around = found.get(node, frozenset())
            if node.op == "reduce":
                around |= frozenset(node.attr[1])
            for a in node.args:
                found[a] = found.get(a, frozenset()) | around
    return found
