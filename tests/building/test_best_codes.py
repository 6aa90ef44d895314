"""best_codes.py: int8 or float8, by what the targets multiply."""

from __future__ import annotations

import pytest

from burnish.building.best_codes import best_codes


@pytest.mark.parametrize("targets", [None, ["cpu:x86-64-v3"], ["cuda:sm_80"], ["cuda:sm_90a", "cpu:x86-64-v3"]])
def test_where_float8_has_no_products_it_is_int8(targets: list[str] | None) -> None:
    assert best_codes("fp16", targets) == ("int8+fp16", None)


def test_on_gpus_with_float8_matrices_are_float8_and_the_users_rules_come_last() -> None:
    own = {"layers": [{"nodes": ["a"], "precision": "fp32"}]}
    precision, config = best_codes("fp16", ["cuda:sm_90a,cuda:sm_89"], own)
    assert precision == "int8+fp16"
    assert config == {"layers": [{"operators": ["MatMul", "Gemm"], "precision": "fp8+fp16"}, *own["layers"]]}
