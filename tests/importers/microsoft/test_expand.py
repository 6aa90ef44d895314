"""Expansions of ONNX Runtime's operators: what they are called."""

from __future__ import annotations

import onnx

import burnish
from burnish.importers import load_model
from burnish.importers.export import export_model
from burnish.plan import to_bytes

TWO_CALLS = """<ir_version: 10, opset_import: ["" : 17, "com.microsoft" : 1]>
g (float[2, 8] x) => (float[2, 8] y) <float[8] b = {1, 2, 3, 4, 5, 6, 7, 8}> {
    h = com.microsoft.BiasGelu (x, b)
    y = com.microsoft.BiasGelu (h, b) }"""


def is_onnx(domain: str, op_type: str) -> bool:
    return domain == ""


def same_name() -> onnx.ModelProto:
    """Both nodes have one name, as files from some tools do."""
    model = onnx.parser.parse_model(TWO_CALLS)
    for node in model.graph.node:
        node.name = "call"
    return model


def test_values_are_called_the_same_in_every_build() -> None:
    kept = [
        load_model(same_name(), keep=is_onnx).model for _ in range(3)
    ]  # all in memory, so that no two lie at one address
    first, *others = [export_model(model).SerializeToString(deterministic=True) for model in kept]
    assert all(other == first for other in others)


def test_no_two_values_have_one_name() -> None:
    graph = export_model(load_model(same_name(), keep=is_onnx).model).graph
    written = [name for node in graph.node for name in node.output]
    assert len(set(written)) == len(written)


def test_plans_have_the_same_bytes() -> None:
    one, other = (to_bytes(burnish.build(same_name(), target="cpu:x86-64-v2")) for _ in range(2))
    assert one == other
