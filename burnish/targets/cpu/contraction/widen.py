"""A panel of B in f16 or bf16 becomes f32 in the thread's scratch memory, once for all the row tiles that read it.

Only half the bytes come from memory, and the register tile runs at its usual speed from the second cache level.
"""

from __future__ import annotations

from llvmlite import ir

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.targets.cpu.builder import F32, KernelBuilder, vector_type
from burnish.targets.cpu.expressions.storage import storage_type
from burnish.targets.cpu.register_tile.load import load_operand

MOST_BYTES = 768 * 1024  # of a widened panel: it must stay in the second cache level


def widened_bytes(depth: int, width: int) -> int:
    """Scratch memory for a panel."""
    return depth * width * 4


def widen_panel(
    k: KernelBuilder, source: ir.Value, dtype: DType, into: ir.Value, depth: Dim, lanes: int, vectors: int
) -> None:
    """Copy depth rows of vectors * lanes elements."""
    element, kind = storage_type(dtype), vector_type(F32, lanes)
    with k.loop(0, depth) as loop:
        row = k.ir.mul(loop.index, k.i64(vectors * lanes))
        for v in range(vectors):
            at = k.ir.add(row, k.i64(v * lanes))
            value = load_operand(k, k.address(source, at, element), dtype, DType.F32, lanes)
            assert value.type == kind
            k.ir.store(value, k.address(into, at, F32), align=4)
