"""How long a contraction takes under a tile, in us: the model that ranks schedules.

A processor has `share` programs, `resident` of them at a time. Each step of a program costs the longest of

    the tensor core's time for it; its bytes from L2; the latency of a step, which other resident programs hide

to which the epilogue, filling the pipeline and adding the parts of a split come. No launch is faster than its bytes
from memory, and near that bound all are a little slower.
The constants were fitted to 145 measurements of ResNet-50 on an H200, fp16, batch 1, 8 and 128 (10 % off in the
mean; what won is within 3 % of the model's best).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from burnish.dims import Dim, evaluate, symbols
from burnish.dtypes import DType
from burnish.lower.contraction_runs import Shape, analyse
from burnish.lower.task import Contraction
from burnish.ops.expr import COSTLY, walk
from burnish.target import Target
from burnish.targets.cuda.chips import Chip, chip_of
from burnish.targets.cuda.contraction_emit import operand_kind
from burnish.targets.cuda.contraction_shape import copied_tile, pixels_of, reduction_of
from burnish.targets.cuda.contraction_sum import Loop, loops_of
from burnish.targets.cuda.contraction_tile import Tile

USUAL = 64  # a symbol that nobody knows
WARPGROUP_ROWS = 64
_FREE = frozenset({"acc", "axis", "cast", "const", "dim", "load"})
_COSTLY_INSTRUCTIONS = 40
_INSTRUCTION_RATE = 220e3  # per us and processor
MOST_REGISTERS = 240  # of a thread


@dataclass(frozen=True, slots=True)
class Fit:
    """The model's constants, fitted to measurements on an H200 (us; bytes per us and processor)."""

    latency: float = 0.78  # of memory
    step: float = 0.045  # a step that nothing else hides
    epilogue: float = 0.42  # of each tile, besides its bytes
    epilogue_rate: float = 37e3
    fetch_rate: float = 1.0  # of L2's bandwidth
    crowd: float = 0.46  # how far memory's bandwidth is missed, for each program that is missing on a processor
    add: float = 1.17  # the parts of a split, besides their bytes
    add_rate: float = 39e3
    prefetched: float = 0.2  # of the latency before the first step
    by_address: float = 1.18  # latencies without the copy engine
    launch: float = 1.1
    # the tensor cores' share of their rate, by the tile's area; by the columns of an instruction
    areas: tuple[float, ...] = (1.0, 0.89, 0.76, 0.6, 0.48, 0.44)
    widths: tuple[float, ...] = (1.0, 0.98, 0.92, 0.62, 0.54)


_AREAS = (32768, 16384, 8192, 4096, 2048, 0)
_WIDTHS = (256, 128, 64, 32, 0)
# of the rate of f16, by what tl.dot multiplies
_RATES = {DType.F16: 1.0, DType.BF16: 1.0, DType.I8: 2.0, DType.F64: 0.07}


@dataclass
class CostModel:
    """A kernel on a target, at the usual sizes."""

    kernel: Contraction
    target: Target
    sizes: Mapping[str, int]
    fit: Fit = Fit()
    _loops: dict[tuple[int, bool, bool], tuple[Loop, ...]] = field(default_factory=dict)

    @cached_property
    def shape(self) -> Shape:
        return analyse(self.kernel)

    @cached_property
    def products(self) -> tuple[tuple[Contraction, Shape], ...]:
        """Every product of the sum by itself, and its runs."""
        return tuple((self.kernel.alone(i), analyse(self.kernel, i)) for i in range(len(self.kernel.terms)))

    @cached_property
    def is_packed(self) -> bool:
        """Are all second operands constants?"""
        return all(t.packed for t in self.kernel.terms)

    @cached_property
    def chip(self) -> Chip:
        return chip_of(self.target)

    def usual(self, dim: Dim) -> int:
        """A dim at the usual sizes, at least 1."""
        values = {name: self.sizes.get(name, USUAL) for name in symbols(dim)}
        return max(1, evaluate(dim, values))

    @cached_property
    def pixel_extents(self) -> tuple[int, ...]:
        return tuple(self.usual(r.extent) for r in pixels_of(self.shape))

    @cached_property
    def groups(self) -> int:
        return self.usual(self.shape.group_count)

    @cached_property
    def pixel_count(self) -> int:
        count = 1
        for extent in self.pixel_extents:
            count *= extent
        return count

    @cached_property
    def columns(self) -> int:
        return self.usual(self.kernel.n.extent)

    @cached_property
    def element_bytes(self) -> int:
        return max(self.kernel.slots[0].dtype.size_bytes, self.kernel.slots[1].dtype.size_bytes)

    @cached_property
    def multiplied(self) -> DType | None:
        """What tl.dot multiplies."""
        return operand_kind(self.kernel.slots[0].dtype, self.kernel.slots[1].dtype, self.target)

    @cached_property
    def residual_bytes(self) -> int:
        """Bytes of an element of every load at all pixels and columns."""
        loads = {e for s in self.kernel.stores for e in walk(s.value) if e.op == "load"}
        found = [e for e in loads if copied_tile(self.shape, self.kernel.slots[e.attr], e.args) is not None]
        return sum(self.kernel.slots[e.attr].dtype.size_bytes for e in found)

    @cached_property
    def instructions(self) -> float:
        """Of the epilogue, for each element: what takes a polynomial takes dozens."""
        nodes = dict.fromkeys(e for s in self.kernel.stores for e in walk(s.value) if e.op not in _FREE)
        return sum(_COSTLY_INSTRUCTIONS if e.op in COSTLY else 1.5 for e in nodes)

    @cached_property
    def stored_bytes(self) -> int:
        return sum(self.kernel.slots[s.slot].dtype.size_bytes for s in self.kernel.stores)

    @cached_property
    def operand_bytes(self) -> tuple[int, int]:
        """Bytes of A and of B: what lies there, not what is read."""
        a = b = 0
        for product, shape in self.products:
            taps = self.usual(reduction_of(product, shape, 16).tap_count)
            depth = self.usual(shape.depth)
            reread = taps if any(w.steps for w in product.windows) else 1
            a += self.groups * self.pixel_count * depth * product.slots[0].dtype.size_bytes // reread
            b += self.groups * self.columns * depth * product.slots[1].dtype.size_bytes
        return a, b

    @cached_property
    def depth(self) -> int:
        """K, of all products."""
        return sum(self.usual(shape.depth) for _, shape in self.products)

    @cached_property
    def least_bytes(self) -> int:
        """What must come from memory or go there."""
        out = self.groups * self.pixel_count * self.columns * (self.stored_bytes + self.residual_bytes)
        return sum(self.operand_bytes) + out

    @cached_property
    def floor(self) -> float:
        """us that no schedule can beat."""
        flops = 2 * self.groups * self.pixel_count * self.columns * self.depth
        rate = self.chip.processors * self.chip.half_flops * _RATES.get(self.multiplied or DType.F32, 0.16)
        return max(flops / rate, self.least_bytes / self.chip.bandwidth)

    def steps(self, tile: Tile) -> int:
        """Of all loops together."""
        return sum(self.usual(loop.count) * loop.together for loop in self.loops(tile))

    def loops(self, tile: Tile) -> tuple[Loop, ...]:
        """The loops over k."""
        cut = (tile.k, tile.flat, tile.apart)
        if cut not in self._loops:
            steps = [reduction_of(each, shape, tile.k, tile.flat).steps for each, shape in self.products]
            self._loops[cut] = loops_of(steps, tile.apart)
        return self._loops[cut]

    def together(self, tile: Tile) -> int:
        """Steps that a loop makes in each round."""
        return max(loop.together for loop in self.loops(tile))

    def tiles(self, tile: Tile) -> int:
        """Programs of a grid that is not persistent, split or not."""
        if len(tile.box) > 1:
            rows = 1
            for extent, width in zip(self.pixel_extents, tile.box, strict=True):
                rows *= -(-extent // width)
        else:
            rows = -(-self.pixel_count // tile.m)
        return self.groups * rows * -(-self.columns // tile.n)

    def shared_bytes(self, tile: Tile) -> int:
        """Shared memory of a program."""
        item = self.element_bytes if self.target.capability >= 80 else max(4, self.element_bytes)  # sm_75 widens
        ring = (tile.m + tile.n) * tile.k * item * tile.stages * self.together(tile)
        out = tile.m * tile.n * (self.stored_bytes + self.residual_bytes) if tile.is_copied and not tile.direct else 0
        return (ring + out + 16 * tile.n if tile.persistent else max(ring, out)) + 1024

    def registers(self, tile: Tile) -> int:
        """Of a thread, about."""
        words = max(4, self.shape.accumulator.size_bytes) // 4
        return int(tile.m * tile.n * words / (32 * tile.warps) * 1.25) + 40

    def fits_early(self, tile: Tile) -> bool:
        """Is there something to ask for early, and are there registers in which it can wait?"""
        values = tile.m * tile.n / (32 * tile.warps)
        words = max(4, self.shape.accumulator.size_bytes) / 4
        return self.residual_bytes > 0 and values * (words + self.residual_bytes / 4) + 40 <= MOST_REGISTERS

    def resident(self, tile: Tile) -> int:
        """Programs that a processor holds at a time; 0 if none fits."""
        by_shared = self.chip.shared_bytes // self.shared_bytes(tile)
        return min(by_shared, 2048 // (32 * tile.warps), 65536 // (32 * tile.warps * self.registers(tile)))

    def microseconds(self, tile: Tile) -> float:
        """The time of a launch."""
        fit = self.fit
        share = -(-self.tiles(tile) * tile.split // self.chip.processors)
        together = max(1, min(tile.persistent or self.resident(tile), share))
        steps = -(-self.steps(tile) // tile.split)
        each = max(self._multiply(tile), self._fetch(tile), self._wait(tile, share) / together)
        late = self.stored_bytes + (0 if tile.early else self.residual_bytes)
        epilogue = (fit.epilogue + tile.m * tile.n * late / fit.epilogue_rate) / min(together, 3)
        arithmetic = tile.m * tile.n * self.instructions / _INSTRUCTION_RATE
        alone = arithmetic * (1.0 if together == 1 else 0.6 / together)  # others multiply meanwhile
        time = share * (steps * each + epilogue + alone) + self._fill(tile, together)
        if tile.split > 1:
            parts = 1 if tile.shared else tile.split
            time += fit.add + tile.m * tile.n * 4 * parts / fit.add_rate
        floor = (
            self.least_bytes / self.chip.bandwidth * (1 + fit.crowd / (2 * together if tile.persistent else together))
        )
        return float((time**4 + floor**4) ** 0.25) + fit.launch

    def _multiply(self, tile: Tile) -> float:
        """us of a step's products on a processor's tensor cores."""
        kind = self.multiplied
        if kind is None:
            rate = 0.01
        elif kind is DType.F32:
            rate = {"tf32": 0.5, "tf32x3": 0.16, "ieee": 0.08}[tile.precision]
        else:
            rate = _RATES[kind] * (1.0 if self.target.capability >= 80 else 0.12)  # sm_75: no tensor cores in Triton
        area = tile.m * tile.n
        share = next(e for least, e in zip(_AREAS, self.fit.areas, strict=True) if area >= least)
        if 90 <= self.target.capability < 120:
            rows, columns = (tile.n, tile.m) if tile.swap else (tile.m, tile.n)
            share *= 1.0 if rows >= WARPGROUP_ROWS else 0.5
            share *= next(e for least, e in zip(_WIDTHS, self.fit.widths, strict=True) if columns >= least)
            share *= 1.0 if tile.is_copied else 0.8
        return 2 * area * tile.k / (self.chip.half_flops * rate * share)

    def _fetch(self, tile: Tile) -> float:
        """us of a step's bytes from L2."""
        rate = self.chip.l2_bandwidth * self.fit.fetch_rate * (0.5 if tile.flat else 1.0)
        return (tile.m + tile.n) * tile.k * self.element_bytes / rate

    def _wait(self, tile: Tile, share: int) -> float:
        """us of a step when nothing else is there to do: its latency, shared by the stages that are under way."""
        together = self.together(tile)
        rounds = self.steps(tile) // together * (share if tile.persistent else 1)
        ahead = self.fit.latency / max(1, min(tile.stages, rounds) - 1) / together if rounds > 1 else 0.0
        if together > 1 and tile.stages == 1:  # nothing is asked for ahead
            ahead = 2 * self.fit.latency  # A, then B
        return max(self.fit.step, ahead) * (1.0 if tile.is_copied else self.fit.by_address)

    def _fill(self, tile: Tile, together: int) -> float:
        """us before the first step and after the last."""
        pipelines = len(self.loops(tile))
        late = self.fit.latency * (pipelines + (0.5 if self.residual_bytes and not tile.early else 0)) / together
        return late * (self.fit.prefetched if tile.prefetch else 1.0) * (1.0 if tile.is_copied else self.fit.by_address)
