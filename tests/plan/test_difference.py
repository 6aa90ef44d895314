"""difference.py: nothing that differs between two plans goes unsaid, and equal plans have no difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from burnish.dims import DimExpr
from burnish.dtypes import DType
from burnish.plan.difference import Change, difference
from burnish.plan.manifest import DefaultSpec, LaunchSpec, Manifest, OutputShape, Presentation, TensorSpec, code_blobs
from burnish.plan.plan import Plan
from burnish.plan.reader import Contents, open_plan


@pytest.fixture
def contents(small_plan: Plan) -> Contents:
    return open_plan(small_plan.to_bytes())


def with_manifest(contents: Contents, **changes: Any) -> Contents:
    return replace(contents, manifest=replace(contents.manifest, **changes))


def with_launches(contents: Contents, *launches: LaunchSpec) -> Contents:
    (variant,) = contents.manifest.variants
    return with_manifest(contents, variants=(replace(variant, launches=launches),))


def changed(value: Any) -> Iterator[Any]:
    """The value with one thing in it changed, for everything in it."""
    if isinstance(value, int | DimExpr) and not isinstance(value, bool):
        yield value + 1
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            for other in changed(getattr(value, field.name)):
                yield replace(value, **{field.name: other})
    elif isinstance(value, tuple):
        yield from ((*value[:n], other, *value[n + 1 :]) for n in range(len(value)) for other in changed(value[n]))
        if len(value) > 1 and value != value[::-1]:
            yield value[::-1]
        if value:
            yield value[:-1]
    elif isinstance(value, dict):
        yield {**value, "one more": 1}
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, DType):
        yield DType.I8
    else:
        yield f"{value}x"


def test_equal_plans_have_no_difference(contents: Contents) -> None:
    assert difference(contents, contents) == []


def test_whatever_changes_in_a_manifest_is_reported(contents: Contents, kernel_plan: Plan) -> None:
    count = 0
    for old in (contents, open_plan(kernel_plan.to_bytes())):
        full = replace(
            old.manifest,
            presentations=(Presentation("y", "names", ("a", "b")),),
            defaults=(DefaultSpec("x", (1, 4), "code/0"),),
            output_shapes=(OutputShape("y", TensorSpec("y/shape", DType.I64, (2,), 0)),),
        )
        old = replace(old, manifest=full)
        there = {entry.name for entry in old.entries}
        for other in changed(full):
            if there.issuperset(name for v in other.variants for name in code_blobs(v)):
                count += 1
                assert difference(old, replace(old, manifest=other)), other
    assert count > 150
    assert {field.name for field in fields(Manifest)} >= {"presentations", "defaults", "graph", "notes"}


def test_launches_are_matched_by_what_they_do(contents: Contents) -> None:
    first, second = contents.manifest.variants[0].launches
    added = LaunchSpec("c", "Loops", ("/c",), "loops v=1", 8, 16)
    new = with_launches(contents, added, replace(first, tactic="loops v=16", flops=7))
    target = "cpu:x86-64-v3"
    launches = [change for change in difference(contents, new) if change.section == "launches"]
    assert launches == [
        Change("launches", f"{target} #0 Loops /a /b: tactic", "loops v=8", "loops v=16"),
        Change("launches", f"{target} #0 Loops /a /b: flops", str(first.flops), "7"),
        Change("launches", f"{target} #1 Odd ", "no tactic, 0 flops, 0 bytes", ""),
        Change("launches", f"{target} #0 Loops /c", "", "loops v=1, 8 flops, 16 bytes"),
    ]
    assert second.kernel == "Odd"


def test_launches_in_another_order_are_that_and_no_more(contents: Contents) -> None:
    first, second = contents.manifest.variants[0].launches
    found = difference(contents, with_launches(contents, second, first))
    assert [(change.section, change.name) for change in found] == [("launches", "cpu:x86-64-v3: order")]


def test_blobs_differ_by_hash_and_size(small_plan: Plan, contents: Contents) -> None:
    new = open_plan(Plan(small_plan.manifest, {**small_plan.blobs, "reference/0": b"other"}).to_bytes())
    (change,) = difference(contents, new)
    assert (change.section, change.name) == ("blobs", "reference/0")
    assert change.old.startswith("4 bytes, SHA-256 ") and change.new.startswith("5 bytes, SHA-256 ")


def test_a_signature_is_a_difference(contents: Contents) -> None:
    assert difference(contents, replace(contents, public_key=b"\x01" * 32)) == [
        Change("signed by", "", "", "01" * 32)
    ]  # fmt: skip


def test_options_and_ranges_are_named(contents: Contents) -> None:
    (n, k) = contents.manifest.symbols
    new = with_manifest(
        contents, options={**contents.manifest.options, "precision": "fp16"}, symbols=(replace(n, max=16), k)
    )
    assert difference(contents, new) == [
        Change("options", "precision", "", "fp16"),
        Change("symbols", "n", "1 .. 2 .. 8", "1 .. 2 .. 16"),
    ]
