"""How a step's operands are multiplied: acc += a b^T, in the type that tensor cores take.

floats of one type     as they are; before sm_80 in f32; float8 on targets with `Abilities.float8` alone. Tensor cores
                       of sm_90 cut sums of float8: 128 products lose 1e-4 at most, and are added to the total in f32
other floats           widened to f32 (f64)
bytes of either sign   as int8 with i32 sums; the instruction, not the text, says which operand is unsigned
other small integers   in f32, without tensor cores: values have nine bits at most (lower/quantised.py), so that the sum
                       of a step of 256 is below 2^24 and exact; it is added in i32
all others             product by product
"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.dtypes import DType
from burnish.target import Target
from burnish.targets.cuda.chips import chip_of
from burnish.targets.cuda.contraction.operands import Loaded
from burnish.targets.cuda.contraction.tiling import Product, Tiling
from burnish.targets.cuda.expressions.codes import BYTES
from burnish.targets.cuda.text import KernelText, Variable

EXACT_DEPTH = 256  # of a step of small integers in f32
CUT_DEPTH = 128  # of float8: so many products may be summed in 14 bits or so before they are added in f32
_SMALL = (*BYTES, DType.I16)
_TRITON = {
    DType.F16: "float16",
    DType.BF16: "bfloat16",
    DType.F32: "float32",
    DType.F64: "float64",
    DType.F8E4M3: "float8e4nv",
    DType.I8: "int8",
}


def multiplied_as(a: DType, b: DType, target: Target) -> DType | None:
    """The type in which tl.dot multiplies operands; None if it must be done product by product."""
    has_tensor_cores = chip_of(target).has_tensor_cores
    if a in BYTES and b in BYTES and has_tensor_cores:
        return DType.I8
    if a in _SMALL and b in _SMALL:
        return DType.F32
    if a is b and a in _TRITON:
        return DType.F32 if a is DType.BF16 and not has_tensor_cores else a
    if a.is_float and b.is_float:
        return DType.F64 if DType.F64 in (a, b) else DType.F32
    return None


def signs_of(tiling: Tiling) -> tuple[str, ...]:
    """The `signs` of a kernel's source. All products of one sum have the same types."""
    a, b = tiling.first.dtypes
    if multiplied_as(a, b, tiling.target) is not DType.I8:
        return ()
    return (b.value, a.value) if tiling.tile.swap else (a.value, b.value)


def read_as(product: Product, target: Target) -> tuple[DType, DType]:
    """The types in which the kernel reads A and B: all bytes are int8 where tensor cores multiply bytes."""
    is_bytes = multiplied_as(*product.dtypes, target) is DType.I8
    return (DType.I8, DType.I8) if is_bytes else product.dtypes


def write_product(
    text: KernelText, tiling: Tiling, totals: Sequence[Variable], product: Product, loaded: Loaded
) -> None:
    """acc += a b^T, or its transpose; acc: the product's own total."""
    acc = totals[tiling.kernel.terms[product.number].total]
    kind, common = tiling.accumulator, multiplied_as(*product.dtypes, tiling.target)
    a, b = (
        name if common in (None, dtype, DType.I8) else text.let(stem, f"{name}.to(tl.{_TRITON[common]})")
        for stem, name, dtype in zip("ab", (loaded.a, loaded.b), product.dtypes, strict=True)
    )
    row, column = (str(a), str(b) if product.is_depth_first else f"{b}.T")
    if tiling.tile.swap:
        row, column = (f"{b}.T" if product.is_depth_first else b), f"{a}.T"
    if common is None:  # integers that no tensor core multiplies, exactly
        text.add(acc, f"tl.sum(({row})[:, :, None].to(tl.{kind}) * ({column})[None, :, :].to(tl.{kind}), axis=1)")
        return
    if common is DType.F32 and kind == "int32":
        text.add(acc, f'tl.dot({row}, {column}, input_precision="ieee").to(tl.int32)')
        return
    precision = f', input_precision="{tiling.tile.precision}"' if common is DType.F32 else ""
    if common is DType.F8E4M3:
        precision = f", max_num_imprecise_acc={min(tiling.tile.k, CUT_DEPTH)}"
    text.assign(acc, f"tl.dot({row}, {column}, {acc}{precision}, out_dtype=tl.{kind})")
