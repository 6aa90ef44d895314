"""The text of a contraction's kernel.

place of the tile -> (what other launches write is there) -> loop over k -> (parts of a split are added) -> epilogue
"""

from __future__ import annotations

from collections.abc import Callable

from burnish.dims import Dim, minimum
from burnish.dtypes import DType
from burnish.kernels.task import Contraction
from burnish.target import Target
from burnish.targets.cuda.chips import chip_of
from burnish.targets.cuda.contraction.early_loads import write_early_loads
from burnish.targets.cuda.contraction.epilogue import write_epilogue
from burnish.targets.cuda.contraction.frame import Frame, accumulator_kind, write_place, write_starts
from burnish.targets.cuda.contraction.operands_by_address import write_addresses, write_loads
from burnish.targets.cuda.contraction.operands_by_copy import is_depth_first, write_copies, write_maps
from burnish.targets.cuda.contraction.split_sum import write_parts
from burnish.targets.cuda.contraction.sum_loops import write_loops, write_prefetches, write_steps
from burnish.targets.cuda.contraction.tile import Tile
from burnish.targets.cuda.expressions.arithmetic import with_functions
from burnish.targets.cuda.source import Parameter, Source

PREFETCH = """@triton.jit
def prefetch(pointers):
    tl.inline_asm_elementwise(
        "prefetch.global.L2 [$1]; mov.b32 $0, 0;", "=r,l", [pointers], dtype=tl.int32, is_pure=False, pack=1
    )


"""


PAUSE = """@triton.jit
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


"""


def write_source(kernel: Contraction, tile: Tile, target: Target) -> Source:
    """The kernel under a schedule. Equal arguments give equal text."""
    f = Frame(kernel, tile, target)
    if tile.persistent:
        _write_start(f)
        _write_pause(f)
        f.line(f"for place in tl.range(tl.program_id(0), {f.count(f.tiles)}, tl.num_programs(0), flatten=True):")
        f.indent += 1
        write_place(f)
        _write_tile(f)
        grid: Dim = minimum(f.tiles, f.programs)
    else:
        f.line("place = tl.program_id(0)")
        write_place(f)
        write_steps(f)
        _write_start(f)
        _write_pause(f)
        _write_tile(f)
        grid = f.tiles
    parameters = _parameters(f)
    names = ", ".join(p.name for p in parameters)
    text = "\n".join([*(["@triton.jit"]), f"def kernel({names}):", *f.lines.text, ""])
    if tile.prefetch:
        text = PREFETCH + text
    if tile.stagger:
        text = PAUSE + text
    return Source(with_functions(text), parameters, (grid, tile.split, 1), tile.warps, tile.stages, f.overlaps)


def _write_start(f: Frame) -> None:
    if not f.overlaps:
        return
    f.line("gdc_launch_dependents()")
    if f.tile.prefetch:
        write_prefetches(f)
    f.line("gdc_wait()")


def _write_pause(f: Frame) -> None:
    """The first programs go one to each processor, the next ones to each as its second."""
    if f.tile.stagger:
        count = chip_of(f.target).processors
        f.line("turn = tl.program_id(0)")
        f.line(f"pause(tl.where((turn >= {count}) & (turn < {2 * count}), {f.tile.stagger}, 0).to(tl.int64))")


def _write_tile(f: Frame) -> None:
    """Sum, and store."""
    tile, products = f.tile, [f.of(i) for i in range(len(f.kernel.terms))]
    if tile.is_copied:
        write_starts(f)
        for product in products:
            write_maps(product)
        load: Callable[[Frame, str], None] = write_copies
    else:
        for product in products:
            write_addresses(product)
        load = write_loads
    write_early_loads(f)
    sides = (tile.n, tile.m) if tile.swap else (tile.m, tile.n)
    f.line(f"acc = tl.zeros(({sides[0]}, {sides[1]}), tl.{accumulator_kind(f.shape.accumulator)})")
    write_loops(f, load, _write_product)
    f.line("sums = acc.T" if tile.swap else "sums = acc")
    if tile.split > 1:
        write_parts(f, write_epilogue)
    else:
        write_epilogue(f)


def _write_product(f: Frame) -> None:
    """acc += a b^T, or its transpose."""
    tile, a_dtype, b_dtype = f.tile, f.product.slots[0].dtype, f.product.slots[1].dtype
    row, column = ("a", "b") if is_depth_first(f) else ("a", "b.T")
    if tile.swap:
        row, column = ("b.T" if is_depth_first(f) else "b"), "a.T"
    common = operand_kind(a_dtype, b_dtype, f.target)
    kind = accumulator_kind(f.shape.accumulator)
    if common is None:  # integers that no tensor core multiplies, exactly
        f.line(f"acc += tl.sum(({row})[:, :, None].to(tl.{kind}) * ({column})[None, :, :].to(tl.{kind}), axis=1)")
        return
    for name, dtype in (("a", a_dtype), ("b", b_dtype)):
        if dtype is not common:
            f.line(f"{name} = {name}.to(tl.{_TRITON[common]})")
    precision = f', input_precision="{tile.precision}"' if common is DType.F32 else ""
    f.line(f"acc = tl.dot({row}, {column}, acc{precision}, out_dtype=tl.{kind})")


_TRITON = {
    DType.F16: "float16",
    DType.BF16: "bfloat16",
    DType.F32: "float32",
    DType.F64: "float64",
    DType.I8: "int8",
}


def operand_kind(a: DType, b: DType, target: Target) -> DType | None:
    """What operands are multiplied as by tl.dot; None where it must be done product by product."""
    if a is b and a in _TRITON and (a is not DType.I8 or target.capability >= 80):
        return DType.F32 if a is DType.BF16 and target.capability < 80 else a
    if a.is_float and b.is_float:
        return DType.F64 if DType.F64 in (a, b) else DType.F32
    return None


def _parameters(f: Frame) -> tuple[Parameter, ...]:
    """In the order: addresses, maps, workspace, sizes."""
    text = "\n".join(f.lines.text)
    for slot in range(len(f.kernel.slots)):
        if f"slot{slot} " in text or f"slot{slot})" in text or f"slot{slot}," in text:
            f.pointer(slot)
    order = sorted(f.parameters.values(), key=lambda p: p.name)
    return (*order, *f.sizes.parameters)
