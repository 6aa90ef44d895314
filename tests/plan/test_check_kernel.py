"""Every number of a kernel step that points at something is followed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from burnish.dims import floordiv, symbol
from burnish.dtypes import DType
from burnish.plan import Plan, read, to_bytes
from burnish.plan.check import contradictions
from burnish.plan.manifest import NativeStep, PointerArgument, ScalarArgument, TensorMapArgument


def problems(plan: Plan, **changes: Any) -> str:
    variant = plan.manifest.variants[0]
    step = dataclasses.replace(variant.steps[0], **changes)  # type: ignore[type-var]
    manifest = dataclasses.replace(plan.manifest, variants=(dataclasses.replace(variant, steps=(step,)),))
    return "\n".join(contradictions(manifest, {name: len(b) for name, b in plan.blobs.items()}))


def test_a_sound_kernel_step_has_no_contradiction(kernel_plan: Plan) -> None:
    assert problems(kernel_plan) == ""


def test_a_plan_of_kernels_reads_back_equal(kernel_plan: Plan) -> None:
    assert read(to_bytes(kernel_plan)).manifest == kernel_plan.manifest


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"code": "none"}, "its code blob 'none' is missing"),
        ({"launch": 2}, "it is launch 2 of 2"),
        ({"threads": 2048}, "2048 threads in a block"),
        ({"threads": 0}, "0 threads in a block"),
        ({"grid": (1, 1)}, "its grid has 2 axes"),
        ({"grid": (1, 70000, 1)}, "a grid of 70000 blocks along an axis that can have 65535"),
        ({"grid": (1, floordiv(4, symbol("k")), 1)}, "a grid of -1 blocks"),
        ({"grid": (symbol("q"), 1, 1)}, "symbol 'q' of q is not declared"),
        ({"arguments": (ScalarArgument(1, "f16"),)}, "argument 0: a scalar of type 'f16'"),
        ({"arguments": (ScalarArgument(symbol("q")),)}, "argument 0: its value: symbol 'q'"),
        ({"arguments": (PointerArgument(9),)}, "storage 9 of 5"),
        ({"arguments": (PointerArgument(2, 65),)}, "bytes 65 to 65 of storage 2, which has 64"),
        ({"arguments": (PointerArgument(2, symbol("q")),)}, "its place: symbol 'q'"),
    ],
)
def test_a_step_that_cannot_be_is_found(kernel_plan: Plan, changes: dict[str, Any], problem: str) -> None:
    assert problem in problems(kernel_plan, **changes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"shape": (5, 8)}, "bytes 0 to 80 of storage 2, which has 64"),
        ({"offset": -16}, "bytes -16 to 48"),
        ({"shape": ()}, "a tensor map with 0 sizes"),
        ({"box": (4,)}, "1 sides of a box"),
        ({"strides": (1, 8)}, "the last stride is 8"),
        ({"box": (4, 257)}, "sides are 1 to 256"),
        ({"steps": (1, 0)}, "steps 1 to 8"),
        ({"swizzle": 33}, "swizzle 33"),
        ({"swizzle": 32, "box": (4, 32)}, "swizzle 32 with rows of 64 bytes"),
    ],
)
def test_a_tensor_map_that_cannot_be_is_found(kernel_plan: Plan, changes: dict[str, Any], problem: str) -> None:
    good = TensorMapArgument(2, 0, DType.F16, (4, 8), (8, 1), (4, 8), (1, 1), 0)
    assert problem in problems(kernel_plan, arguments=(dataclasses.replace(good, **changes),))


def test_native_steps_need_native_code(kernel_plan: Plan) -> None:
    variant = dataclasses.replace(kernel_plan.manifest.variants[0], steps=(NativeStep(0, 0, 1),))
    manifest = dataclasses.replace(kernel_plan.manifest, variants=(variant,))
    found = "\n".join(contradictions(manifest, {name: len(b) for name, b in kernel_plan.blobs.items()}))
    assert "segment 0 is native, and there is no native code" in found
