"""One small plan that uses every kind of field."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.plan.manifest import (
    BranchStep,
    KernelStep,
    LaunchSpec,
    Manifest,
    NativeStep,
    PointerArgument,
    ReferenceStepSpec,
    ScalarArgument,
    StorageSpec,
    SymbolRange,
    TensorMapArgument,
    TensorSpec,
    Variant,
)
from burnish.plan.plan import Plan
from burnish.requirement import Requirement


@pytest.fixture
def small_plan() -> Plan:
    n = symbol("n")
    x, y = TensorSpec("x", DType.F32, (n, 4), 0), TensorSpec("y", DType.F32, (n, 4), 1)
    reference = ReferenceStepSpec("/odd", "Odd", "reference/0", (x,), (y,), 1)
    variant = Variant(
        target="cpu:x86-64-v3",
        code="code/0",
        storages=(
            StorageSpec(0, "input", n * 16),
            StorageSpec(1, "output", n * 16),
            StorageSpec(2, "constant", 64, blob="weights/0"),
            StorageSpec(3, "arena", n * 16, offset=64),
            StorageSpec(4, "dynamic", symbol("k") * 4),
        ),
        arena_bytes=192,
        zero_bytes=64,
        scratch_bytes=0,
        steps=(
            NativeStep(0, 0, 1),
            BranchStep(2, (reference,), (NativeStep(1, 1, 1),)),
            Requirement("rows", "/a", n, 4, "at_most"),
        ),
        launches=(
            LaunchSpec("a", "Loops", ("/a", "/b"), "loops v=8", n * 4, n * 32),
            LaunchSpec("/odd", "Odd", (), ""),
        ),
    )
    manifest = Manifest(
        producer="burnish 0.1.0",
        model_name="small",
        model_sha256="00" * 32,
        options={"workspace": None, "error": 0.001, "shapes": {"x": [1, 4]}},
        symbols=(SymbolRange("n", 1, 2, 8), SymbolRange("k", 0, 0, 0, from_data=True)),
        inputs=(x,),
        outputs=(y,),
        variants=(variant,),
        notes=("Odd runs on the reference kernel",),
    )
    blobs = {"code/0": b"\x7fELF" * 5, "reference/0": b"onnx", "weights/0": np.arange(16, dtype=np.float32).tobytes()}
    return Plan(manifest, blobs)


@pytest.fixture
def kernel_plan(small_plan: Plan) -> Plan:
    """The same with one GPU kernel: y = f(x), weights through a tensor map."""
    n = symbol("n")
    weights = TensorMapArgument(2, 0, DType.F16, (4, 8), (8, 1), (4, 8), (1, 1), 0)
    pointers = PointerArgument(0), PointerArgument(1, n * 0)
    step = KernelStep("code/0", "kernel", (n, 1, 1), 128, 1024, (*pointers, ScalarArgument(n), weights), 0, True)
    variant = replace(small_plan.manifest.variants[0], target="cuda:sm_90a", code="", steps=(step,))
    return replace(small_plan, manifest=replace(small_plan.manifest, variants=(variant,)))
