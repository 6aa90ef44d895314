"""The text of a contraction's kernel.

place of the tile -> (wait for other launches' data) -> loop over k -> (add the parts of a split) -> epilogue
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from burnish.dims import Dim, minimum
from burnish.kernels.task import Contraction
from burnish.target import Target
from burnish.targets.cuda.chips import chip_of
from burnish.targets.cuda.contraction.deal import is_dealt, named_again
from burnish.targets.cuda.contraction.early_loads import EarlyLoad, loads_ahead, write_early_loads, write_loads
from burnish.targets.cuda.contraction.epilogue import Sums, write_epilogue
from burnish.targets.cuda.contraction.multiply import signs_of, write_product
from burnish.targets.cuda.contraction.operands import Operands
from burnish.targets.cuda.contraction.operands_by_address import write_addresses
from burnish.targets.cuda.contraction.operands_by_copy import write_maps
from burnish.targets.cuda.contraction.places import Place, Slice, write_place, write_starts
from burnish.targets.cuda.contraction.split_sum import write_parts
from burnish.targets.cuda.contraction.sum_loops import Steps, all_steps, write_loops, write_prefetches, write_steps
from burnish.targets.cuda.contraction.tile import Tile
from burnish.targets.cuda.contraction.tiling import Tiling
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
        ahead = _write_first_loads(text, tiling)
        values = f"tl.range(tl.program_id(0), {text.count(tiling.tiles)}, tl.num_programs(0), flatten=True)"
        with text.loop(text.name("place"), values) as number:
            known = _write_next_loads(text, tiling, number, ahead)
            _write_tile(text, tiling, write_place(text, tiling, number), None, known)
    else:
        place = write_place(text, tiling, text.let("place", "tl.program_id(0)"))
        steps = write_steps(text, tiling)
        text.wait((lambda: write_prefetches(text, tiling, place, steps)) if tile.prefetch else None)
        _write_pause(text, tiling)
        _write_tile(text, tiling, place, steps, {})
    shape, signs = (grid, tile.split, 1), signs_of(tiling)
    return text.source(
        shape,
        warps=tile.warps,
        stages=tile.stages,
        registers=tile.registers,
        signs=signs,
        near=tile.near,
        order=lambda p: p.name,
    )


def _write_first_loads(text: KernelText, tiling: Tiling) -> dict[EarlyLoad, Variable]:
    """What a program of many tiles loads for the first of them."""
    loads = loads_ahead(tiling)
    if not loads:
        return {}
    place = write_place(text, tiling, text.let("first", "tl.program_id(0)"))
    starts = write_starts(text, tiling, place) if tiling.tile.is_copied else ()
    return {e: text.variable("ahead", term) for e, term in write_loads(text, tiling, loads, place, starts).items()}


def _write_next_loads(
    text: KernelText, tiling: Tiling, number: Name, ahead: Mapping[EarlyLoad, Variable]
) -> dict[EarlyLoad, Name]:
    """This tile's values; then the same loads for the program's next tile, or for the last one again."""
    if not ahead:
        return {}
    found = {e: text.let("early", variable) for e, variable in ahead.items()}
    last = f"{text.count(tiling.tiles)} - 1"
    place = write_place(text, tiling, text.let("next", f"tl.minimum({number} + tl.num_programs(0), {last})"))
    starts = write_starts(text, tiling, place) if tiling.tile.is_copied else ()
    for e, term in write_loads(text, tiling, list(ahead), place, starts).items():
        text.assign(ahead[e], term)
    return found


def _write_pause(text: KernelText, tiling: Tiling) -> None:
    """Pause each processor's second program: the first programs go one to each processor, then a second to each."""
    if tiling.tile.stagger:
        count = chip_of(tiling.target).processors
        turn = text.let("turn", "tl.program_id(0)")
        waits = f"({turn} >= {count}) & ({turn} < {2 * count})"
        text.line(text.call(PAUSE, f"tl.where({waits}, {tiling.tile.stagger}, 0).to(tl.int64)"))


def _write_tile(
    text: KernelText, tiling: Tiling, place: Place, steps: Steps | None, known: Mapping[EarlyLoad, Name]
) -> None:
    """Sum, and store. steps: the program's rounds; None for all of them. known: what was loaded ahead"""
    tile = tiling.tile
    starts: tuple[Name, ...] = ()
    operands: Sequence[Operands]
    if tile.is_copied:
        starts = write_starts(text, tiling, place)
        operands = write_maps(text, tiling, place, starts)
    else:
        operands = write_addresses(text, tiling, place)
    early = {**known, **write_early_loads(text, tiling, place, starts)}
    sides = (tile.n, tile.m) if tile.swap else (tile.m, tile.n)
    zeros = f"tl.zeros(({sides[0]}, {sides[1]}), tl.{tiling.accumulator})"
    totals = [text.variable("acc", zeros) for _ in range(tiling.kernel.totals)]
    steps = steps or all_steps(text, tiling)
    write_loops(
        text, tiling, steps, operands, lambda product, loaded: write_product(text, tiling, totals, product, loaded)
    )
    is_moved = is_dealt(tiling.kernel, tile)
    values = tuple(
        text.let("sums", named_again(tile, acc) if is_moved else f"{acc}.T" if tile.swap else acc) for acc in totals
    )
    sums = Sums(place, starts, early, values)

    def epilogue(added: Name, rows: Slice | None) -> None:
        write_epilogue(text, tiling, replace(sums, values=(added,), rows=rows))

    if steps.part is None:
        write_epilogue(text, tiling, sums)
    else:
        write_parts(text, tiling, place, steps.part, values[0], epilogue)
