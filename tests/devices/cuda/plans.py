"""Plans of kernels made by hand, and a stand-in for the GPU that does in numpy what their names say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from burnish.devices.array import array_at
from burnish.devices.cuda.driver import Address, Integer, Parameter
from burnish.devices.null.driver import NullFunction
from burnish.dims import Dim, ceildiv, symbol
from burnish.dtypes import DType
from burnish.plan.manifest import (
    KernelStep,
    LaunchSpec,
    Manifest,
    PointerArgument,
    ScalarArgument,
    StepSpec,
    StorageSpec,
    SymbolRange,
    TensorSpec,
    Variant,
)
from burnish.plan.plan import Plan

N = symbol("n")
W = np.linspace(1, 2, 128, dtype=np.float32)
KERNELS = {"double": lambda x: 2 * x, "add": lambda x, w: x + w, "square": lambda x: x * x}


def kernel(entry: str, *storages: int, n: Dim = N, launch: int = 0, overlaps: bool = False) -> KernelStep:
    """The last storage = the kernel of the others, elementwise over n floats."""
    pointers = tuple(PointerArgument(s) for s in storages)
    grid: tuple[Dim, Dim, Dim] = (ceildiv(n, 32), 1, 1)
    return KernelStep(f"code/{entry}", entry, grid, 32, 0, (*pointers, ScalarArgument(n)), launch, overlaps)


def small_plan(steps: Sequence[StepSpec] | None = None, **changes: Any) -> Plan:
    """y = 2 * x + w for vectors of 1 to 128 floats, in two kernels with a tensor in the arena between them."""
    storages = (
        StorageSpec(0, "input", N * 4),
        StorageSpec(1, "output", N * 4),
        StorageSpec(2, "constant", 512, blob="weights/w"),
        StorageSpec(3, "arena", N * 4, offset=64),
    )
    steps = (kernel("double", 0, 3), kernel("add", 3, 2, 1, launch=1, overlaps=True)) if steps is None else tuple(steps)
    launches = tuple(LaunchSpec(name, "Loops", (name,), "by hand", N, N * 8) for name in ("double", "add", "other"))
    variant = Variant("cuda:sm_90a", "", storages, 640, 64, 0, steps, launches)
    variant = replace(variant, **{k: v for k, v in changes.items() if k in Variant.__slots__})
    x, y = TensorSpec("x", DType.F32, (N,), 0), TensorSpec("y", DType.F32, (N,), 1)
    symbols = (SymbolRange("n", 1, 64, 128),)
    manifest = Manifest("burnish test", "small", "0" * 64, {}, symbols, (x,), (y,), (variant,))
    manifest = replace(manifest, **{k: v for k, v in changes.items() if k in Manifest.__slots__})
    blobs: dict[str, Any] = {f"code/{name}": name.encode() * 16 for name in KERNELS}
    return Plan(manifest, {**blobs, "weights/w": W.tobytes()})


def in_numpy(function: NullFunction, grid: tuple[int, int, int], parameters: tuple[Parameter, ...]) -> None:
    """What the GPU would do."""
    *pointers, size = parameters
    assert isinstance(size, Integer) and grid[0] == -(-size.value // 32)
    arrays = []
    for pointer in pointers:
        assert isinstance(pointer, Address)
        arrays.append(array_at(pointer.value, np.dtype(np.float32), (size.value,)))
    *inputs, out = arrays
    out[:] = KERNELS[function.entry](*inputs)
