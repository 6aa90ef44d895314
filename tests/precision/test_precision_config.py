"""Precision configurations: a file and a mapping say the same, and another form is refused with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from burnish.errors import UserError
from burnish.precision.layers import LayerRule
from burnish.precision.precision import parse_precision
from burnish.precision.precision_config import read_precision_config
from burnish.precision.ranges import Ranges

TEXT = """
[[layers]]
nodes = "/a*"
precision = "fp32"

[[layers]]
operators = ["Conv", "Gemm"]
region = ["/b", "/c"]
precision = "int8+fp16"
"""


def test_a_file_and_a_mapping_give_the_same_rules(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(TEXT)
    rules = (LayerRule("fp32", ("/a*",)), LayerRule("int8+fp16", (), ("Conv", "Gemm"), ("/b", "/c")))
    assert read_precision_config(tmp_path / "p.toml") == rules
    assert read_precision_config({"layers": [rule.words for rule in rules]}) == rules
    assert read_precision_config(None) == ()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({}, "it holds nothing"),
        ({"layers": []} | {"default": "fp16"}, "default"),
        ({"layers": {"nodes": ["a"]}}, r"must hold \[\[layers\]\]"),
        ({"layers": [3]}, "layers 1 is no table"),
        ({"layers": [{"names": ["a"], "precision": "fp16"}]}, "layers 1 has 'names'"),
        ({"layers": [{"nodes": ["a"]}]}, "precision is None"),
        ({"layers": [{"nodes": ["a"], "precision": "fp4"}]}, "precision is 'fp4'"),
        ({"layers": [{"precision": "fp16"}]}, "says no nodes"),
        ({"layers": [{"nodes": [1], "precision": "fp16"}]}, "nodes must be a list of texts"),
        ({"layers": [{"nodes": ["a"], "region": ["a"], "precision": "fp16"}]}, "a region is two names"),
    ],
)
def test_another_form_is_refused(content: dict[str, Any], why: str) -> None:
    with pytest.raises(UserError, match=why) as caught:
        read_precision_config(content)
    assert caught.value.code == "E732"


def test_a_file_that_is_missing_or_no_toml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[[layers]\n")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    for name in ("bad.toml", "binary.toml", "none.toml"):
        with pytest.raises(UserError) as caught:
            read_precision_config(tmp_path / name)
        assert caught.value.code == "E732"


def test_rules_decide_what_the_build_needs() -> None:
    int8 = [LayerRule("int8", ("a",))]
    with pytest.raises(UserError) as caught:
        parse_precision("fp32", None, None, int8)
    assert caught.value.code == "E720"
    found = parse_precision("fp16", None, Ranges({}), int8)
    assert found.words["precision"] == "int8+fp16" and [rule.precision for rule in found.layers] == ["fp16", "int8"]
    with pytest.raises(UserError, match="fp16 and bf16 exclude each other"):
        parse_precision("fp16", None, None, [LayerRule("bf16", ("a",))])
