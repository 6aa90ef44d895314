"""Every number that points at something is followed."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import pytest

from burnish.dims import floordiv, symbol
from burnish.dtypes import DType
from burnish.plan import Plan
from burnish.plan.check import contradictions
from burnish.plan.manifest import (
    BranchStep,
    DefaultSpec,
    FillSpec,
    NativeStep,
    OutputShape,
    Presentation,
    StorageSpec,
    SymbolRange,
    TensorSpec,
)
from burnish.requirement import Requirement


def problems(plan: Plan, **changes: Any) -> str:
    manifest = dataclasses.replace(plan.manifest, **changes)
    return "\n".join(contradictions(manifest, {name: len(b) for name, b in plan.blobs.items()}))


def of_variant(plan: Plan, **changes: Any) -> str:
    return problems(plan, variants=(dataclasses.replace(plan.manifest.variants[0], **changes),))


def of_storage(plan: Plan, **changes: Any) -> str:
    storage = StorageSpec(**{"number": 0, "kind": "arena", "size": 64} | changes)
    return of_variant(plan, storages=(storage, *plan.manifest.variants[0].storages[1:]))


def test_a_sound_plan_has_no_contradiction(small_plan: Plan) -> None:
    assert problems(small_plan) == ""


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"kind": "heap"}, "kind 'heap' is none of"),
        ({"number": 1}, "storage 1 stands in place 0"),
        ({"offset": 32}, "bytes 32 to 96"),
        ({"offset": 192}, "bytes 192 to 256 of an arena of 192"),
        ({"size": -1}, "bytes 0 to -1"),
        ({"blob": "code/0"}, "kind 'arena' with blob"),
        ({"kind": "constant"}, "kind 'constant' with blob ''"),
        ({"kind": "constant", "blob": "none"}, "of blob 'none', which has 0"),
        ({"kind": "constant", "blob": "code/0"}, "needs 64 bytes of blob 'code/0', which has 20"),
        ({"size": symbol("q")}, "symbol 'q' of q is not declared"),
        ({"size": floordiv(64, symbol("k"))}, "divides by zero"),
    ],
)
def test_a_storage_that_cannot_be_is_found(small_plan: Plan, changes: dict[str, Any], problem: str) -> None:
    assert problem in of_storage(small_plan, **changes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"code": "none"}, "its code blob 'none' is missing"),
        ({"steps": (NativeStep(0, 1, 2),)}, "launches 1 to 3 of 2"),
        ({"steps": (BranchStep(5, (), ()),)}, "asks storage 5 of 5"),
        ({"steps": (BranchStep(0, (), (NativeStep(0, 9, 1),)),)}, "launches 9 to 10 of 2"),
        ({"storages": ()}, "tensor 'x' lies in storage 0 of 0"),
        ({"launches": ()}, "is launch 1 of 0"),
        ({"zero_bytes": 193}, "bytes 0 to 193 of an arena of 192 are to be filled"),
        ({"fills": (FillSpec(64, 129, 7),)}, "bytes 64 to 193 of an arena of 192 are to be filled"),
        ({"steps": (Requirement("a", "b", 1, 2, "odd"),)}, "rule 'odd' is none of equal,"),
    ],
)
def test_a_variant_that_cannot_be_is_found(small_plan: Plan, changes: dict[str, Any], problem: str) -> None:
    assert problem in of_variant(small_plan, **changes)


def test_a_reference_step_without_its_model_is_found(small_plan: Plan) -> None:
    branch = small_plan.manifest.variants[0].steps[1]
    assert isinstance(branch, BranchStep)
    step = dataclasses.replace(branch.then[0], blob="none")  # type: ignore[type-var, call-arg]
    assert "its blob 'none' is missing" in of_variant(small_plan, steps=(step,))


def test_names_that_come_twice_and_ranges_upside_down_are_found(small_plan: Plan) -> None:
    m = small_plan.manifest
    assert "symbol 'n' is there 2 times" in problems(small_plan, symbols=(*m.symbols, m.symbols[0]))
    assert "input 'x' is there 2 times" in problems(small_plan, inputs=m.inputs * 2)
    assert "output 'y' is there 2 times" in problems(small_plan, outputs=m.outputs * 2)
    assert "target 'cpu:x86-64-v3' is there 2 times" in problems(small_plan, variants=m.variants * 2)
    assert "min 3, opt 2, max 8" in problems(small_plan, symbols=(SymbolRange("n", 3, 2, 8), m.symbols[1]))
    assert "the graph's blob 'g' is missing" in problems(small_plan, graph="g")


def test_forms_and_defaults_of_what_the_plan_does_not_have_are_found(small_plan: Plan) -> None:
    (output, *_), (tensor, *_) = small_plan.manifest.outputs, small_plan.manifest.inputs
    for shown in (Presentation("none", "maps", (1,)), Presentation(output.name, "sets", (1,))):
        assert "is to be shown as" in problems(small_plan, presentations=(shown,))
    shape = TensorSpec("y/shape", DType.I64, (2,), 0)
    for told in (OutputShape("none", shape), OutputShape(output.name, replace(shape, dtype=DType.I32))):
        assert "'y/shape' cannot be the shape of output" in problems(small_plan, output_shapes=(told,))
    lost = OutputShape(output.name, replace(shape, storage=99))
    assert "tensor 'y/shape' lies in storage 99" in problems(small_plan, output_shapes=(lost,))
    rank = len(tensor.shape)
    for default, problem in (
        (DefaultSpec("none", (1,), "code/0"), "has a default of rank 1"),
        (DefaultSpec(tensor.name, (1,) * (rank + 1), "code/0"), f"has a default of rank {rank + 1}"),
        (DefaultSpec(tensor.name, (1,) * rank, "code/0"), "is not what blob 'code/0' holds"),
    ):
        assert problem in problems(small_plan, defaults=(default,))
