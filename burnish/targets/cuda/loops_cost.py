"""What a loops kernel would cost under a schedule, in microseconds: bytes, and how many of them are under way at once.

traffic     bytes of every access of every lane of every tile, over the sectors of 32 bytes that they fall in;
            what is read again by other programs comes from L2
under way   bytes that resident programs ask for at a time; latency times bandwidth must be covered by them
arithmetic  operations, long functions counted as many
"""

from __future__ import annotations

from collections.abc import Mapping

from burnish.dims import Dim, evaluate, product, symbols
from burnish.lower.facts import Address, Facts
from burnish.lower.schedule import Schedule
from burnish.lower.task import Loops
from burnish.ops.expr import COSTLY, Axis, Expr, walk
from burnish.target import Target
from burnish.targets.cuda.chips import chip_of
from burnish.targets.cuda.loops_shape import Groups, groups_of, reductions

_USUAL = 64  # a dimension that nobody has told us about
_LATENCY_US = 0.7
_THREADS = 2048  # of a processor
_SECTOR = 32
_FREE = frozenset(("const", "axis", "dim", "acc", "cast"))


def size(value: Dim, sizes: Mapping[str, int]) -> int:
    """A dim at the usual values of its symbols."""
    return evaluate(value, {name: sizes.get(name, _USUAL) for name in symbols(value)})


class Cost:
    """Costs of one arranged kernel on one target."""

    def __init__(self, kernel: Loops, target: Target, sizes: Mapping[str, int]) -> None:
        self.kernel, self.sizes, self.facts = kernel, sizes, Facts(kernel.slots)
        self.chip = chip_of(target)
        self.reduced = reductions(kernel)
        self.inside = _reduced_axes(kernel)
        self.written = [(s.slot, self.facts.address(s.slot, s.index)) for s in kernel.stores]
        self.nodes = list(dict.fromkeys(e for s in kernel.stores for e in walk(s.value)))

    def microseconds(self, schedule: Schedule) -> float:
        """One launch."""
        rows, block, warps = (schedule.integer(n) for n in ("rows", "block", "warps"))
        groups = groups_of(self.kernel, schedule.integer("columns"), schedule.integer("across"))
        columns = self._size(groups.columns)
        tiles_down = -(-self._size(groups.rows) // rows) if groups.rows else 1
        tiles_across = -(-columns // block) if groups.columns else 1
        programs = self._size(groups.scalars) * tiles_down * (tiles_across if groups.columns_in_grid else 1)
        if programs == 0:
            return 0.0
        traffic = operations = 0.0
        for node in self.nodes:
            lanes = self._lanes(node, groups, rows, block, bool(schedule["down"]))
            if node.op == "load":
                address = self.facts.address(node.attr, node.args)
                traffic += lanes * self._bytes(node.attr, address, groups, rows, block, bool(schedule["down"]))
            elif node.op not in _FREE:
                operations += lanes * (20 if node.op in COSTLY else 4 if node.op in ("div", "mod", "floordiv") else 1)
        everything = programs * rows * block * (1 if groups.columns_in_grid else tiles_across)
        for slot, address in self.written:
            traffic += everything * self._bytes(slot, address, groups, rows, block, bool(schedule["down"]))
        return self._time(programs, rows * block, warps, traffic, operations)

    def _time(self, programs: int, tile: int, warps: int, traffic: float, operations: float) -> float:
        chip = self.chip
        per_thread = tile / (32 * warps)
        registers = 24 + 6 * per_thread
        resident = max(1, min(_THREADS // (32 * warps), int(65536 // (32 * warps * min(registers, 255)))))
        waves = -(-programs // (chip.processors * resident))
        busy = min(programs, chip.processors)
        at_once = min(programs, chip.processors * resident)
        threads = at_once * 32 * warps
        steps = max(1.0, traffic / programs / max(1.0, tile * 4))
        under_way = threads * min(per_thread, 16) * 4
        moving = traffic / min(chip.bandwidth, chip.l2_bandwidth * busy, under_way / _LATENCY_US)
        computing = operations / (busy * 128 * 1.5e3)
        spill = 1.0 + max(0.0, registers - 255) / 128
        return 1.2 + _LATENCY_US * waves * min(steps, 8) * 0.5 + spill * max(moving, computing) + 0.002 * waves * warps

    def _lanes(self, node: Expr, groups: Groups, rows: int, block: int, down: bool) -> float:
        """How often a node is evaluated, in all programs; lanes beyond an end count too."""
        free = self.facts.free(node)
        around = self.inside.get(node, frozenset())
        total = 1.0
        tiled_rows, tiled_columns = set(groups.rows), set(groups.columns)
        over_rows, over_columns = free & tiled_rows, free & tiled_columns
        if around & free or over_columns or over_rows:
            total *= _padded(self._size(groups.rows), rows) if groups.rows and over_rows else 1
            total *= _padded(self._size(groups.columns), block) if over_columns else 1
        else:
            total *= -(-self._size(groups.rows) // rows) if groups.rows else 1
        reduced = around & free
        if reduced:
            extent = self._size(tuple(reduced))
            if not over_columns:
                extent = _padded(extent, min(block, 1 << max(0, extent - 1).bit_length()))
            elif down:
                extent = _padded(extent, rows)
            total *= extent
        return total * self._size(groups.scalars)

    def _bytes(self, slot: int, address: Address, groups: Groups, rows: int, block: int, down: bool) -> float:
        """Bytes that an access moves for a lane: more than an element where neighbours are not."""
        item = self.kernel.slots[slot].dtype.size_bytes
        best = 1.0
        candidates: list[tuple[Axis, int]] = []
        if groups.columns:
            candidates.append((groups.columns[-1], block))
        if groups.rows:
            candidates.append((groups.rows[-1], rows))
        for e in self.reduced:
            last = e.attr[1][-1]
            candidates.append((last, rows if down else block))
        for a, reach in candidates:
            step = address.form.coefficients.get(a, 0)
            if any(a in self.facts.free(atom) for atom, _ in address.atoms):
                continue
            if step in (1, -1):
                best = max(best, min(reach, size(a.extent, self.sizes)))
        moved: Axis | None = None
        del moved
        run = best * item
        lanes = -(-run // _SECTOR) * _SECTOR / best
        return float(min(lanes, _SECTOR))

    def _size(self, axes: tuple[Axis, ...]) -> int:
        return size(product(a.extent for a in axes), self.sizes)


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
