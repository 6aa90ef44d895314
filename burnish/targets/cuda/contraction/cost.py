"""The time that a contraction takes with a tile, in us: the model that ranks schedules.

Each processor runs some programs, as many at a time as fit. Three times bound a launch; similar times add up:

    busy    the time that a processor's programs use its units: tensor cores, bytes from L2, arithmetic, stores
    life    the time of one program from start to end, divided by the number of programs that run at the same time
    floor   the time to move the bytes of memory

    time = (busy^p + life^p + floor^p)^(1/p) + prefetching + adding the parts of a split

The constants were fitted to 540 measurements of 331 tasks on an H200, fp16 (ResNet-50, BERT, ViT, ConvNeXt,
MobileNetV2, EfficientNet at batch 1 to 128; benchmarks/gpu.md). The median error is 9 %. Of two schedules of a task,
the one that the model calls faster is faster in 3 of 4 cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, prod

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.kernels.contraction_runs import Shape, analyse
from burnish.kernels.slot import Slot
from burnish.kernels.task import Contraction
from burnish.kernels.usual_size import usual_size
from burnish.ops.language.expr import COSTLY, Expr, walk
from burnish.target import Target
from burnish.targets.cuda.chips import Chip, chip_of
from burnish.targets.cuda.contraction.axes import copied_tile, pixels_of, reduction_of
from burnish.targets.cuda.contraction.multiply import multiplied_as
from burnish.targets.cuda.contraction.sum_loops import Loop, loops_of
from burnish.targets.cuda.contraction.tile import Tile

WARPGROUP_ROWS = 64
MANY_ROUNDS = 4
_FREE = frozenset({"acc", "axis", "cast", "const", "dim", "load"})
_INSTRUCTIONS = dict.fromkeys(COSTLY, 28.0) | {"erf": 40.0, "gelu": 46.0, "gelu_tanh": 39.0}  # of anything else 1.5
MOST_REGISTERS = 255  # of a thread
COPY_REGISTERS, LOAD_REGISTERS = 28, 64  # of a thread, besides accumulators: what ptxas gave for 24 kernels on sm_90a
EARLY_REGISTERS = 240  # of a thread, with what came early
CROWDED_SUMS = 128  # accumulators of a thread
LARGE_AREA = 16384  # of a tile: with parts of sums, of each of two warp groups
LIGHT_INSTRUCTIONS = 16  # an element's, that wait for nothing
SWAPPED_BYTE = 3.5  # instructions of each byte that a swapped tile stores: its threads hold few neighbours
PIECE = 128  # bytes: a line of L2


@dataclass(frozen=True, slots=True)
class Fit:
    """The model's constants, fitted to measurements on an H200 (us; bytes or instructions per us and processor)."""

    launch: float = 0.75  # from the launch before, which overlaps
    begin: tuple[float, float] = (0.6, 0.15)  # a program's, up to its first step: by the copy engine, by addresses
    turnover: float = 1.6  # from a program's last store to the first instruction of the next program in its place
    step: tuple[float, float] = (0.22, 0.16)  # the least time of a step: barriers, then requests, then products
    latency: float = 0.5  # of L2
    l2_share: float = 1.26  # 64 bytes a cycle
    l2_by_address: tuple[float, float] = (0.43, 0.6)  # of that; near (not measured)
    by_address: float = 1.2  # of a program's time without the copy engine: addresses, and registers that hold them
    clock: float = 1.37  # of the rate that holds under a long load, as long as power allows
    epilogue: float = 0.17  # of each tile, besides what follows
    store_rate: float = 43e3
    residual: float = 0.61  # waiting for a residual that was not loaded early
    strewn_rate: float = 5.2e3  # loads of the epilogue that do not use a tensor map
    instruction_rate: float = 277e3
    pieces: float = 1.4  # how many times their bytes accesses of less than a line cost
    prefetch: float = 0.5e-3  # a line
    add: float = 1.4  # the parts of a split, besides their bytes
    add_rate: float = 40e3
    power: float = 2.5
    parts: float = 0.7  # of sums in parts, in large tiles: their two halves wait in turns
    # the tensor cores' share of their rate, by the tile's area; by the columns of an instruction
    areas: tuple[float, ...] = (1.0, 0.76, 0.52)
    widths: tuple[float, ...] = (1.0, 0.92, 0.6)


_AREAS = (32768, 8192, 0)
_WIDTHS = (128, 64, 0)
# of the rate of f16, by what tl.dot multiplies
_RATES = {DType.F16: 1.0, DType.BF16: 1.0, DType.F8E4M3: 2.0, DType.I8: 2.0, DType.F64: 0.07}


@dataclass
class CostModel:
    """A kernel on a target, at the usual sizes."""

    kernel: Contraction
    target: Target
    sizes: Mapping[str, int]
    fit: Fit = Fit()
    _loops: dict[tuple[int, bool, bool], tuple[Loop, ...]] = field(default_factory=dict, repr=False)
    _products_us: dict[tuple[object, ...], float] = field(default_factory=dict, repr=False)

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
        """The usual value of a dim, at least 1, for formulas that divide by it."""
        return max(1, usual_size(dim, self.sizes))

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
        """The dtype that tl.dot multiplies."""
        return multiplied_as(self.kernel.slots[0].dtype, self.kernel.slots[1].dtype, self.target)

    @property
    def is_widened(self) -> bool:
        """Are integers multiplied as floats?"""
        return self.multiplied is DType.F32 and not self.shape.accumulator.is_float

    @cached_property
    def residual_bytes(self) -> int:
        """Bytes of an element of every load at all pixels and columns that can be a tensor map."""
        return sum(self.kernel.slots[e.attr].dtype.size_bytes for e in self._loads if self._is_whole(e))

    @cached_property
    def strewn_bytes(self) -> int:
        """Bytes of an element of every other load at pixels and columns."""
        pixels = {x for run in self.shape.pixels for x in run.axes}
        found = 0
        for e in self._loads:
            used = {x for index in e.args for x in walk(index) if x.op == "axis"}
            moved = {x.attr for x in used}
            if self.kernel.n in moved and moved & pixels and not self._is_whole(e):
                found += self.kernel.slots[e.attr].dtype.size_bytes
        return found

    @cached_property
    def _loads(self) -> list[Expr]:
        return list(dict.fromkeys(e for s in self.kernel.stores for e in walk(s.value) if e.op == "load"))

    def _is_whole(self, load: Expr) -> bool:
        return copied_tile(self.shape, self.kernel.slots[load.attr], load.args) is not None

    @cached_property
    def instructions(self) -> float:
        """Instructions of the epilogue for each element; an operator that needs a polynomial takes dozens."""
        nodes = dict.fromkeys(e for s in self.kernel.stores for e in walk(s.value) if e.op not in _FREE)
        return sum(_INSTRUCTIONS.get(e.op, 1.5) for e in nodes)

    @cached_property
    def stored_bytes(self) -> int:
        return sum(self.kernel.slots[s.slot].dtype.size_bytes for s in self.kernel.stores)

    @cached_property
    def operand_bytes(self) -> tuple[int, int]:
        """The sizes of A and of B in memory, in bytes: elements that are read several times count once."""
        a = b = 0
        for product, shape in self.products:
            taps = self.usual(reduction_of(product, shape, 16).tap_count)
            depth = self.usual(shape.depth)
            reread = taps if any(w.steps for w in product.windows) else 1
            read = self.groups * self.pixel_count * depth // reread
            a += min(read, self.elements(product.slots[0])) * product.slots[0].dtype.size_bytes
            b += self.groups * self.columns * depth * product.slots[1].dtype.size_bytes
        return a, b

    def elements(self, slot: Slot) -> int:
        """The number of elements of a tensor at the usual sizes."""
        return prod(self.usual(extent) for extent in slot.shape)

    @cached_property
    def depth(self) -> int:
        """K, summed over all products."""
        return sum(self.usual(shape.depth) for _, shape in self.products)

    @cached_property
    def least_bytes(self) -> int:
        """Bytes that must come from memory or go there."""
        out = self.groups * self.pixel_count * self.columns * (self.stored_bytes + self.residual_bytes)
        return sum(self.operand_bytes) + out

    @cached_property
    def floor(self) -> float:
        """A time in us that no schedule can beat."""
        flops = 2 * self.groups * self.pixel_count * self.columns * self.depth
        rate = self.chip.processors * self.chip.half_flops * _RATES.get(self.multiplied or DType.F32, 0.16)
        return max(flops / rate, self.least_bytes / self.chip.bandwidth)

    def steps(self, tile: Tile) -> int:
        """The steps of all loops together."""
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
        item = max(4, self.element_bytes) if self.multiplied is DType.F32 else self.element_bytes  # it may be widened
        ring = (tile.m + tile.n) * tile.k * item * tile.stages * self.together(tile)
        out = tile.m * tile.n * (self.stored_bytes + self.residual_bytes) if tile.is_copied else 0
        return (ring + out + 16 * tile.n if tile.persistent else max(ring, out)) + 1024

    def registers(self, tile: Tile) -> int:
        """Registers of a thread, as ptxas assigns them; if sums take half, the epilogue's values take the rest."""
        sums = tile.m * tile.n * max(4, self.shape.accumulator.size_bytes) // 4 // (32 * tile.warps)
        held, sums = sums * self.sums, sums * self.kernel.totals
        if tile.registers:
            return tile.registers
        own = COPY_REGISTERS if tile.is_copied else LOAD_REGISTERS
        is_heavy = self.residual_bytes + self.strewn_bytes > 0 or self.instructions > LIGHT_INSTRUCTIONS
        if (sums >= CROWDED_SUMS and is_heavy) or (tile.persistent and tile.early):
            return min(4 * sums, MOST_REGISTERS)  # of 32 sums and the residuals of two tiles: 127
        return min(held + own + (sums * self.residual_bytes // 4 if tile.early else 0), MOST_REGISTERS)

    @cached_property
    def sums(self) -> int:
        """How many sums a program holds: a total for each, and of float8 on Hopper also what is added to it."""
        has_parts = self.multiplied is DType.F8E4M3 and self.chip.cuts_float8_sums
        return self.kernel.totals * (2 if has_parts else 1)

    def fits_early(self, tile: Tile, tiles: int = 1) -> bool:
        """Are there residuals to load early, and enough registers to hold those of so many tiles?"""
        values = tile.m * tile.n / (32 * tile.warps)
        words = max(4, self.shape.accumulator.size_bytes) / 4 * self.sums
        fits = values * (words + tiles * self.residual_bytes / 4) + 40 <= EARLY_REGISTERS
        return self.residual_bytes > 0 and fits and (tiles == 1 or values * words < CROWDED_SUMS)  # else they spill

    def resident(self, tile: Tile) -> int:
        """Programs that a processor holds at a time; 0 if none fits."""
        return self.chip.resident(32 * tile.warps, self.registers(tile) + 7 & -8, self.shared_bytes(tile))

    def microseconds(self, tile: Tile) -> float:
        """The time of a launch."""
        fit, share, steps = self.fit, self._share(tile), self._steps(tile)
        busy = share * max(steps * self._multiply(tile), steps * self._fetch(tile), *self._epilogue(tile))
        parts = (busy, self._rounds(tile), self._memory(tile))
        time = sum(part**fit.power for part in parts) ** (1 / fit.power) + self._prefetch(tile, steps)
        if tile.split > 1:
            time += fit.add + tile.m * tile.n * 4 * (1 if tile.shared else tile.split) / fit.add_rate
        if self.sums > self.kernel.totals and tile.m * tile.n >= LARGE_AREA:
            time *= fit.parts * (1.25 if tile.persistent else 1.0)
        return float(time) + fit.launch

    def life(self, tile: Tile) -> float:
        """us of a tile that has a processor for itself, from asking for its first step to its last store."""
        fit = self.fit
        time = (
            self._steps(tile) * max(self._multiply(tile), self._wait(tile)) + fit.epilogue + sum(self._epilogue(tile))
        )
        if self.residual_bytes and (tile.persistent or not tile.early):
            time += fit.residual * (2 if tile.persistent else 1)  # not measured: the tuner tries them, behind others
        return time * (1.0 if tile.is_copied else fit.by_address)

    def goes_in_step(self, tile: Tile) -> bool:
        """Programs of a processor begin together: would they do the same things at the same time for long?"""
        beside, share = self._beside(tile), self._share(tile)
        computing = self._steps(tile) * self._multiply(tile) + self._epilogue(tile)[1]
        return 2 <= beside <= 3 and share >= MANY_ROUNDS * beside and share * computing >= self._memory(tile)

    def _share(self, tile: Tile) -> int:
        """Programs (or tiles) of a processor."""
        return -(-self.tiles(tile) * tile.split // self.chip.processors)

    def _steps(self, tile: Tile) -> int:
        """The steps of a program's tile."""
        return -(-self.steps(tile) // tile.split)

    def _beside(self, tile: Tile) -> int:
        """Programs that a processor has at a time."""
        return max(1, min(tile.persistent or self.resident(tile), self._share(tile)))

    def _rounds(self, tile: Tile) -> float:
        """us of the programs that run one after another in one place; if few, the last round is seldom full."""
        fit, share, beside, life = self.fit, self._share(tile), self._beside(tile), self.life(tile)
        begin = (fit.begin[0] if tile.is_copied else fit.begin[1]) + fit.begin[0] * (len(self.loops(tile)) - 1)
        if tile.persistent:
            return begin + life * share / beside
        rounds = share / beside
        if rounds < MANY_ROUNDS:
            rounds = (rounds + ceil(rounds)) / 2
        return rounds * (begin + life + (fit.turnover if share > beside else 0.0))

    def _epilogue(self, tile: Tile) -> tuple[float, float]:
        """us of a tile's stores (and residuals), and of its arithmetic."""
        fit, area = self.fit, tile.m * tile.n
        store = (self.stored_bytes + self.residual_bytes) / fit.store_rate + self.strewn_bytes / fit.strewn_rate
        apart = SWAPPED_BYTE if tile.swap and self.stored_bytes == 1 else 0.0
        return area * store, area * (self.instructions + apart) / fit.instruction_rate

    def _memory(self, tile: Tile) -> float:
        """us to move the bytes that must come from memory or go there; a line in pieces costs more than a whole one."""
        a, b = map(float, self.operand_bytes)
        out = self.groups * self.pixel_count * self.columns
        if tile.k * self.element_bytes < PIECE and self.steps(tile) > 1:
            a *= self.fit.pieces
        is_narrow = tile.n * self.stored_bytes < PIECE and tile.n < self.columns
        stored = out * self.stored_bytes * (self.fit.pieces if is_narrow else 1.0)
        return (a + b + out * self.residual_bytes + stored) / self.chip.bandwidth

    def _multiply(self, tile: Tile) -> float:
        """us of a step's products on a processor's tensor cores."""
        what = (tile.form, tile.m, tile.n, tile.k, tile.swap, tile.precision)
        if what not in self._products_us:
            self._products_us[what] = self._multiplied(tile)
        return self._products_us[what]

    def _multiplied(self, tile: Tile) -> float:
        kind = self.multiplied
        if kind is None:
            rate = 0.01
        elif kind is DType.F32:
            rate = {"tf32": 0.5, "tf32x3": 0.16, "ieee": 0.08}[tile.precision]
        else:
            rate = _RATES[kind] * (1.0 if self.chip.has_tensor_cores else 0.12)  # sm_75: no tensor cores in Triton
        area = tile.m * tile.n
        share = self.fit.clock * next(e for least, e in zip(_AREAS, self.fit.areas, strict=True) if area >= least)
        if self.chip.has_warpgroups:
            rows, columns = (tile.n, tile.m) if tile.swap else (tile.m, tile.n)
            share *= 1.0 if rows >= WARPGROUP_ROWS else 0.5
            share *= next(e for least, e in zip(_WIDTHS, self.fit.widths, strict=True) if columns >= least)
            share *= 1.0 if tile.is_copied else 0.8
        return 2 * area * tile.k / (self.chip.half_flops * rate * share)

    def _fetch(self, tile: Tile) -> float:
        """us of a step's bytes from L2."""
        row = tile.k * self.element_bytes
        rate = self.chip.l2_bandwidth * self.fit.l2_share * (0.5 if tile.flat else 1.0)
        if tile.is_copied:
            return (tile.m + tile.n) * max(row, PIECE) / rate
        return (tile.m + tile.n) * row / (rate * self.fit.l2_by_address[tile.near])

    def _wait(self, tile: Tile) -> float:
        """us of a step of one program; the stages in flight share its latency."""
        together = self.together(tile)
        rounds = self.steps(tile) // together * (self._share(tile) if tile.persistent else 1)
        size = (tile.m + tile.n) * max(tile.k * self.element_bytes, PIECE if tile.is_copied else 0)
        latency = self.fit.latency + size / (self.chip.l2_bandwidth * self.fit.l2_share)
        ahead = latency / max(1, min(tile.stages, rounds) - 1) / together if rounds > 1 else 0.0
        if together > 1 and tile.stages == 1:  # nothing is loaded ahead
            ahead = 2 * self.fit.latency  # A, then B
        return max(self.fit.step[0] if tile.is_copied else self.fit.step[1], ahead)

    def _prefetch(self, tile: Tile, steps: int) -> float:
        """us of the prefetch of this program's part of B, which programs of other pixels prefetch too."""
        if not tile.prefetch:
            return 0.0
        columns = -(-self.columns // tile.n)
        lines = tile.n * steps * tile.k * self.element_bytes / PIECE
        return self.fit.prefetch * lines * columns * self.groups / self.tiles(tile)
