"""target.py: what a plan is compiled for, by name."""

from __future__ import annotations

import pytest

from burnish.errors import UserError
from burnish.target import ARCHITECTURES, LEVELS, Target, parse_target


@pytest.mark.parametrize("text", [*(f"cpu:{v}" for v in LEVELS), *(f"cuda:{a}" for a in ARCHITECTURES)])
def test_a_target_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_target(text)) == text


def test_extensions_have_one_order() -> None:
    assert str(parse_target("cpu:x86-64-v4+vnni+bf16")) == "cpu:x86-64-v4+bf16+vnni"


def test_amx_brings_what_code_with_tiles_uses_too() -> None:
    target = parse_target("cpu:x86-64-v4+amx")
    assert str(target) == "cpu:x86-64-v4+amx+bf16+vnni" and target.has_tiles
    assert {"amx_tile", "amx_int8", "amx_bf16", "avx512_bf16", "avx512_vnni"} <= set(target.needed_flags)
    assert set(Target("cpu", "x86-64-v4", ("amx",)).needed_flags) == set(target.needed_flags)
    assert not parse_target("cpu:x86-64-v4+amx+checked").has_tiles


def test_checked_code_needs_nothing_and_is_not_preferred() -> None:
    plain, checked = parse_target("cpu:x86-64-v3"), parse_target("cpu:x86-64-v3+checked")
    assert checked.is_checked and not plain.is_checked
    assert (checked.needed_flags, checked.rank) == (plain.needed_flags, plain.rank)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("cuda:sm_90", "did you mean cuda:sm_90a?"),
        ("sm_90a", "did you mean cuda:sm_90a?"),
        ("cuda:sm86", "did you mean cuda:sm_80?"),
        ("cuda:8.9", "did you mean cuda:sm_89?"),
        ("cpu:x86-64-v5", "did you mean cpu:x86-64-v4?"),
        ("gpu", "did you mean cuda, the GPU of the machine at hand?"),
        ("tpu", "use --target cpu or --target cuda for the machine at hand"),
        ("cuda:sm_70", "use --target cpu or --target cuda for the machine at hand"),
    ],
)
def test_what_is_no_target_is_refused_with_the_nearest_that_is_one(text: str, hint: str) -> None:
    with pytest.raises(UserError, match="E301") as refused:
        parse_target(text)
    assert refused.value.hint == hint
