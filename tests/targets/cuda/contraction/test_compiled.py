"""Contractions compile for every architecture, and the copied ones multiply from shared memory."""

from __future__ import annotations

import re
import subprocess

import pytest

from burnish.building.analyze import analyze
from burnish.dtypes import DType
from burnish.errors import InternalError
from burnish.kernels.task import each_launch
from burnish.target import ARCHITECTURES, parse_target
from burnish.targets import compiler_of
from burnish.targets.cuda.chips import chip_of
from burnish.targets.cuda.compiler.compile import compile_one
from burnish.targets.cuda.compiler.disassemble import disassemble
from burnish.targets.cuda.contraction import template as contraction
from burnish.targets.cuda.contraction.cost import CostModel
from burnish.targets.cuda.contraction.tile import Tile
from tests.targets.cuda.contraction.test_deal import residual_of_codes
from tests.targets.cuda.contraction_tasks import added, beside, convolution, matmul

pytest.importorskip("triton")

SMALL = {
    "product": matmul(64, 64, 128, bias=True, residual=True),
    "convolution": convolution(1, 64, (14, 14), 64, (3, 3), pads=(1, 1), bias=True, activation=True),
    "sum": added(
        convolution(1, 64, (14, 14), 64, (1, 1), bias=True, activation=True),
        convolution(1, 128, (28, 28), 64, (1, 1), stride=2),
    ),
    "bytes": matmul(64, 64, 128, DType.U8, b_dtype=DType.I8, bias=True, residual=True, out_dtype=DType.U8),
    "bytes, 3x3": convolution(1, 64, (14, 14), 64, (3, 3), DType.U8, pads=(1, 1), out_dtype=DType.U8),
    "bytes, two sums": beside(
        convolution(1, 64, (14, 14), 64, (1, 1), DType.I8, out_dtype=DType.I8),
        convolution(1, 128, (28, 28), 64, (1, 1), DType.I8, stride=2),
    ),
}
MORE = {
    "f32": matmul(128, 128, 128, DType.F32, bias=True),
    "f64": matmul(64, 64, 64, DType.F64),
    "bf16": matmul(64, 64, 128, DType.BF16, bias=True),
    "i8": matmul(64, 64, 128, DType.I8),
    "i64": matmul(64, 64, 128, DType.I64),
    "u8 by i8": matmul(64, 64, 128, DType.U8, b_dtype=DType.I8),
    "stem": convolution(1, 3, (32, 32), 64, (7, 7), stride=2, pads=(3, 3), bias=True),
    "batched": matmul(64, 64, 128, batch=(2, 3), packed=False),
    "split": convolution(1, 512, (7, 7), 512, (3, 3), pads=(1, 1), bias=True, residual=True),
    "large": matmul(16384, 1024, 1024, bias=True),
    "bytes of nine bits": matmul(64, 64, 128, DType.I16, b_dtype=DType.I16),
    "large, bytes": matmul(16384, 1024, 1024, DType.U8, bias=True, out_dtype=DType.U8),
    "large convolution": convolution(64, 128, (28, 28), 128, (3, 3), pads=(1, 1), bias=True),
    "sum": added(
        convolution(64, 256, (28, 28), 256, (1, 1), stride=2, bias=True, activation=True),
        convolution(64, 128, (14, 14), 256, (1, 1)),
    ),
    "uneven sum": added(
        convolution(64, 128, (14, 14), 256, (3, 3), pads=(1, 1), bias=True, activation=True),
        convolution(64, 256, (28, 28), 256, (1, 1), stride=2),
    ),
}


def compiled(source, target, monkeypatch):
    """What Triton made of a source, with every stage's text."""
    import triton

    seen = []
    compile_in_triton = triton.compile

    def spy(*arguments, **options):
        triton.knobs.compilation.store_binary_only = False
        seen.append(compile_in_triton(*arguments, **options))
        return seen[-1]

    monkeypatch.setattr(triton, "compile", spy)
    compile_one(source, target)
    return seen


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", SMALL)
def test_the_first_schedule_compiles_for(architecture: str, name: str):
    target = parse_target(f"cuda:{architecture}")
    (schedule, *_) = contraction.schedules(SMALL[name], target, {})
    cubin = compile_one(contraction.emit(SMALL[name], schedule, target), target)
    tile = Tile.read(schedule)
    assert cubin.threads == 32 * tile.warps
    assert cubin.shared_bytes <= CostModel(SMALL[name], target, {}).shared_bytes(tile) <= chip_of(target).shared_bytes


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", MORE)
def test_several_schedules_compile_for(architecture: str, name: str):
    target = parse_target(f"cuda:{architecture}")
    for schedule in contraction.schedules(MORE[name], target, {})[:6]:
        cubin = compile_one(contraction.emit(MORE[name], schedule, target), target)
        assert cubin.shared_bytes <= chip_of(target).shared_bytes


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("swap", [False, True])
def test_a_product_of_bytes_reads_each_operand_by_its_sign_and_wraps(architecture: str, swap: bool, monkeypatch):
    target, tile = parse_target(f"cuda:{architecture}"), Tile("load", 64, 64, 64, swap=swap)
    if not chip_of(target).has_tensor_cores:
        pytest.skip("bytes are multiplied as floats")
    kernel = matmul(64, 64, 128, DType.U8, b_dtype=DType.I8)
    (made,) = compiled(contraction.emit(kernel, tile.schedule, target), target, monkeypatch)
    products = re.findall(r"mma[\w.]*\.s32\S*", made.asm["ptx"])
    assert products
    assert all((".s8.u8" if swap else ".u8.s8") in each and "satfinite" not in each for each in products)


def test_a_product_of_bytes_whose_signs_could_not_be_written_is_refused(monkeypatch):
    """As if another version of Triton wrote its instructions in another way."""
    monkeypatch.setattr("burnish.targets.cuda.compiler.compile._PRODUCT_OF_BYTES", re.compile("(written otherwise)"))
    kernel, target = matmul(64, 64, 128, DType.U8, b_dtype=DType.I8), parse_target("cuda:sm_80")
    source = contraction.emit(kernel, Tile("load", 64, 64, 64).schedule, target)
    with pytest.raises(InternalError, match="E920") as caught:
        compile_one(source, target)
    assert "signs" in caught.value.why


def test_a_kernel_that_needs_more_shared_memory_than_there_is_is_refused():
    target, tile = parse_target("cuda:sm_90a"), Tile("copy", 128, 128, 128, stages=4)
    with pytest.raises(InternalError, match="E920") as caught:
        compile_one(contraction.emit(MORE["large"], tile.schedule, target), target)
    assert "shared memory" in caught.value.why


@pytest.mark.parametrize("near", [False, True])
def test_near_loads_do_not_pass_the_processors_own_cache_by(near: bool, monkeypatch):
    target, tile = parse_target("cuda:sm_90a"), Tile("load", 64, 64, 64, near=near)
    (made,) = compiled(contraction.emit(SMALL["bytes, 3x3"], tile.schedule, target), target, monkeypatch)
    assert set(re.findall(r"cp\.async\.c[ag]", made.asm["ptx"])) == {"cp.async.ca" if near else "cp.async.cg"}


def test_a_thread_makes_four_bytes_of_a_residual_in_few_instructions_and_stores_sixteen():
    """Of 64 elements a thread on sm_90a: fifteen instructions each, the product and the addresses included."""
    model, _ = residual_of_codes(4096)
    program = analyze(model, abilities=compiler_of(parse_target("cuda:sm_90a")).abilities).program
    (product,) = [x.kernel for x in each_launch(program.steps)]
    target, tile = parse_target("cuda:sm_90a"), Tile("copy", 128, 64, 64, stages=1)
    code = disassemble(compile_one(contraction.emit(product, tile.schedule, target), target))
    words = re.findall(r"^\s+/\*[0-9a-f]+\*/\s+(?:@!?U?P\d+ )?([A-Z][\w.]+)", code, re.MULTILINE)
    assert len(words) < 64 * 15
    assert {w for w in words if w.startswith(("STS", "LDS"))} == {"STS.128", "LDS.128"}
    assert words.count("F2IP.U8.F32.NTZ") == 32 and words.count("I2FP.F32.S32") == 64


@pytest.mark.parametrize("architecture", [a for a in ARCHITECTURES if parse_target(f"cuda:{a}").capability >= 89])
def test_a_product_of_float8_runs_on_tensor_cores(architecture: str, monkeypatch):
    target = parse_target(f"cuda:{architecture}")
    kernel = matmul(4096, 1024, 512, DType.F8E4M3, bias=True, out_dtype=DType.F8E4M3)  # small tiles may be f16's
    (schedule, *_) = contraction.schedules(kernel, target, {})
    (made,) = compiled(contraction.emit(kernel, schedule, target), target, monkeypatch)
    assert re.search(r"mma[\w.:]*(e4m3\.e4m3|f8f6f4)", made.asm["ptx"])


MAIN = {
    "3x3": (MORE["large convolution"], Tile("copy", 128, 128, 64, box=(4, 4, 8), swap=True, stages=4)),
    "3x3, persistent": (
        MORE["large convolution"],
        Tile("copy", 256, 64, 64, box=(4, 8, 8), swap=True, stages=4, persistent=1),
    ),
    "3x3, few pixels, split": (
        MORE["split"],
        Tile("copy", 16, 64, 128, box=(2, 8), swap=True, stages=6, split=8, prefetch=True),
    ),
    "3x3, shared parts": (
        MORE["split"],
        Tile("copy", 32, 64, 128, box=(4, 8), swap=True, stages=4, split=8, shared=True, prefetch=True),
    ),
    "two products": (
        MORE["sum"],
        Tile("copy", 128, 128, 64, box=(16, 8), swap=True, stages=2),
    ),
    "two products, split": (
        MORE["sum"],
        Tile("copy", 16, 64, 128, box=(2, 8), swap=True, stages=3, split=2, prefetch=True),
    ),
    "two products, persistent": (
        MORE["sum"],
        Tile("copy", 128, 128, 64, box=(16, 8), swap=True, stages=2, persistent=1),
    ),
    "two products, one round": (
        MORE["sum"],
        Tile("copy", 16, 64, 128, box=(2, 8), swap=True, stages=2, prefetch=True),
    ),
    "3x3 and 1x1, one after the other": (
        MORE["uneven sum"],
        Tile("copy", 128, 128, 64, box=(4, 4, 8), swap=True, stages=4),
    ),
    "product": (MORE["large"], Tile("copy", 128, 256, 64, warps=8, stages=4)),
    "product, staggered": (MORE["large"], Tile("copy", 128, 128, 64, swap=True, stages=3, stagger=7000)),
    "product, persistent, staggered": (
        MORE["large"],
        Tile("copy", 128, 64, 64, swap=True, stages=3, persistent=2, stagger=7000),
    ),
    "bytes": (MORE["large, bytes"], Tile("copy", 128, 128, 128, swap=True, stages=3)),
    "bytes, two sums": (
        beside(
            convolution(64, 64, (56, 56), 256, (1, 1), DType.U8, out_dtype=DType.U8),
            convolution(64, 64, (56, 56), 256, (1, 1), DType.U8),
        ),
        Tile("copy", 64, 64, 64, swap=True, stages=1),
    ),
    "product by addresses": (MORE["large"], Tile("load", 128, 128, 64, stages=3)),
}


@pytest.mark.parametrize("name", MAIN)
def test_both_operands_come_from_shared_memory_and_nothing_is_spilled(name: str, monkeypatch, tmp_path):
    import triton

    kernel, tile = MAIN[name]
    target = parse_target("cuda:sm_90a")
    (made,) = compiled(contraction.emit(kernel, tile.schedule, target), target, monkeypatch)
    products = re.findall(r"warp_group_dot [^{]*\{[^}]*\} : (!ttg\.memdesc)?.* \* (!ttg\.memdesc)?", made.asm["ttgir"])
    assert products
    assert all(all(pair) for pair in products)
    (tmp_path / "kernel.ptx").write_text(made.asm["ptx"])
    command = [triton.knobs.nvidia.ptxas.path, "-v", "--gpu-name=sm_90a", "kernel.ptx", "-o", "kernel.cubin"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stderr
    assert re.findall(r"(\d+) bytes spill", said) == ["0", "0"]


def test_equal_sources_give_equal_code():
    kernel, tile = MAIN["3x3, few pixels, split"]
    target = parse_target("cuda:sm_90a")
    source = contraction.emit(kernel, tile.schedule, target)
    assert compile_one(source, target) == compile_one(source, target)
