"""The text of a contraction's kernel.

place of the tile -> (wait for other launches' data) -> loop over k -> (add the parts of a split) -> epilogue
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from burnish.dims import Dim, minimum
from burnish.dtypes import DType
from burnish.kernels.task import Contraction
from burnish.target import Target
from burnish.targets.cuda.chips import chip_of
from burnish.targets.cuda.contraction.early_loads import write_early_loads
from burnish.targets.cuda.contraction.epilogue import Sums, write_epilogue
from burnish.targets.cuda.contraction.operands import Loaded, Operands
from burnish.targets.cuda.contraction.operands_by_address import write_addresses
from burnish.targets.cuda.contraction.operands_by_copy import write_maps
from burnish.targets.cuda.contraction.places import Place, Slice, write_place, write_starts
from burnish.targets.cuda.contraction.split_sum import write_parts
from burnish.targets.cuda.contraction.sum_loops import Steps, all_steps, write_loops, write_prefetches, write_steps
from burnish.targets.cuda.contraction.tile import Tile
from burnish.targets.cuda.contraction.tiling import Product, Tiling
from burnish.targets.cuda.source import Source
from burnish.targets.cuda.text import Function, KernelText, Name, Variable

PAUSE = Function(
    "pause",
    """
@triton.jit
def pause(cycles):
    tl.inline_asm_elementwise(
        \"\"\"{
            .reg .u64 start, now;
            .reg .pred early;
            mov.u64 start, %clock64;
        again:
            mov.u64 now, %clock64;
            sub.u64 now, now, start;
            setp.lt.u64 early, now, $1;
            @early bra again;
            mov.u32 $0, 0;
        }\"\"\", "=r,l", [cycles], dtype=tl.int32, is_pure=False, pack=1
    )
""",
)


def write_source(kernel: Contraction, tile: Tile, target: Target) -> Source:
    """The kernel under a schedule. Equal arguments give equal text."""
    tiling, text = Tiling(kernel, tile, target), KernelText(kernel.slots, target)
    grid: Dim = tiling.tiles
    if tile.persistent:
        grid = minimum(tiling.tiles, tiling.programs)
        text.wait()
        _write_pause(text, tiling)
        values = f"tl.range(tl.program_id(0), {text.count(tiling.tiles)}, tl.num_programs(0), flatten=True)"
        with text.loop(text.name("place"), values) as number:
            _write_tile(text, tiling, write_place(text, tiling, number), None)
    else:
        place = write_place(text, tiling, text.let("place", "tl.program_id(0)"))
        steps = write_steps(text, tiling)
        text.wait((lambda: write_prefetches(text, tiling, place, steps)) if tile.prefetch else None)
        _write_pause(text, tiling)
        _write_tile(text, tiling, place, steps)
    return text.source((grid, tile.split, 1), warps=tile.warps, stages=tile.stages, order=lambda p: p.name)


def _write_pause(text: KernelText, tiling: Tiling) -> None:
    """Pause each processor's second program: the first programs go one to each processor, then a second to each."""
    if tiling.tile.stagger:
        count = chip_of(tiling.target).processors
        turn = text.let("turn", "tl.program_id(0)")
        waits = f"({turn} >= {count}) & ({turn} < {2 * count})"
        text.line(text.call(PAUSE, f"tl.where({waits}, {tiling.tile.stagger}, 0).to(tl.int64)"))


def _write_tile(text: KernelText, tiling: Tiling, place: Place, steps: Steps | None) -> None:
    """Sum, and store. steps: the program's rounds; None for all of them."""
    tile = tiling.tile
    starts: tuple[Name, ...] = ()
    operands: Sequence[Operands]
    if tile.is_copied:
        starts = write_starts(text, tiling, place)
        operands = write_maps(text, tiling, place, starts)
    else:
        operands = write_addresses(text, tiling, place)
    early = write_early_loads(text, tiling, place, starts)
    sides = (tile.n, tile.m) if tile.swap else (tile.m, tile.n)
    acc = text.variable("acc", f"tl.zeros(({sides[0]}, {sides[1]}), tl.{tiling.accumulator})")
    steps = steps or all_steps(text, tiling)
    write_loops(
        text, tiling, steps, operands, lambda product, loaded: _write_product(text, tiling, acc, product, loaded)
    )
    sums = Sums(place, starts, early, text.let("sums", f"{acc}.T" if tile.swap else acc))

    def epilogue(values: Name, rows: Slice | None) -> None:
        write_epilogue(text, tiling, replace(sums, values=values, rows=rows))

    if steps.part is None:
        write_epilogue(text, tiling, sums)
    else:
        write_parts(text, tiling, place, steps.part, sums.values, epilogue)


def _write_product(text: KernelText, tiling: Tiling, acc: Variable, product: Product, loaded: Loaded) -> None:
    """acc += a b^T, or its transpose."""
    kind, common = tiling.accumulator, operand_kind(*product.dtypes, tiling.target)
    a, b = (
        name if common in (None, dtype) else text.let(stem, f"{name}.to(tl.{_TRITON[common]})")
        for stem, name, dtype in zip("ab", (loaded.a, loaded.b), product.dtypes, strict=True)
    )
    row, column = (str(a), str(b) if product.is_depth_first else f"{b}.T")
    if tiling.tile.swap:
        row, column = (f"{b}.T" if product.is_depth_first else b), f"{a}.T"
    if common is None:  # integers that no tensor core multiplies, exactly
        text.add(acc, f"tl.sum(({row})[:, :, None].to(tl.{kind}) * ({column})[None, :, :].to(tl.{kind}), axis=1)")
        return
    precision = f', input_precision="{tiling.tile.precision}"' if common is DType.F32 else ""
    text.assign(acc, f"tl.dot({row}, {column}, {acc}{precision}, out_dtype=tl.{kind})")


_TRITON = {
    DType.F16: "float16",
    DType.BF16: "bfloat16",
    DType.F32: "float32",
    DType.F64: "float64",
    DType.I8: "int8",
}


def operand_kind(a: DType, b: DType, target: Target) -> DType | None:
    """The type in which tl.dot multiplies operands; None if it must be done product by product."""
    has_tensor_cores = chip_of(target).has_tensor_cores
    if a is b and a in _TRITON and (a is not DType.I8 or has_tensor_cores):
        return DType.F32 if a is DType.BF16 and not has_tensor_cores else a
    if a.is_float and b.is_float:
        return DType.F64 if DType.F64 in (a, b) else DType.F32
    return None
