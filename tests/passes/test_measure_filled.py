"""measure_filled.py: the shape of what ConstantOfShape fills, where the run decides how many axes that has."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

import burnish
from burnish.passes.measure_filled import RULES
from tests.passes.models import apply, parse

TEXT = """<ir_version: 10, opset_import: ["" : 21]> m (int64[k] s) => (int64 y, int64[k] z) {
    f = ConstantOfShape (s) y = Size (f) z = Shape (f) }"""


@pytest.mark.parametrize("sizes", [[2, 3, 4], [5], [], [3, 0]])
def test_its_size_and_its_shape_are_those_of_onnxruntime(sizes: list[int]):
    feeds = {"s": np.array(sizes, np.int64)}
    proto = onnx.parser.parse_model(TEXT)
    wanted = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, feeds)
    with burnish.load(burnish.build(proto, profile={"s": [(0,), (2,), (4,)]}), threads=1) as engine:
        for found, want in zip(engine(feeds).values(), wanted, strict=True):
            np.testing.assert_array_equal(found, want, strict=True)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("y = Shape (x)", "does not measure"),
        ("f = ConstantOfShape (three) y = Shape (f)", "the rank is known"),
        ("f = ConstantOfShape (x) y = Shape <start = 1> (f)", "only a part"),
    ],
)
def test_what_it_leaves_alone(body: str, reason: str):
    model = parse(f"agraph (int64[k] x, int64[3] three) => (int64[j] y) {{ {body} }}")
    changes, report = apply(model, *RULES)
    assert changes == 0 and any(reason in d.reason for d in report.why())
