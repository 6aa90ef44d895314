"""read_sizes.py: sizes that a run computes become dimensions, so that Expand and Tile have kernels."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

import burnish
from burnish.passes.read_sizes import read_sizes
from burnish.passes.rewrite.context import PassContext
from tests.passes.models import operators, parse

TEXT = """<ir_version: 10, opset_import: ["" : 21]> m (float[4,1,n] x, int64[3] s, int64[4] r, float[n] w) => (y, z)
    <int64[1] first = {0}> {
    e = Expand (x, s)
    y = Mul (e, w)
    u = Unsqueeze (x, first)
    z = Tile (u, r) }"""
PROFILE = {"x": [(4, 1, 1), (4, 1, 3), (4, 1, 5)], "w": [(1,), (3,), (5,)]}


def feeds(n: int, s: list[int]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(n)
    x, w = rng.standard_normal((4, 1, n)).astype(np.float32), rng.standard_normal(n).astype(np.float32)
    return {"x": x, "w": w, "s": np.array(s), "r": np.array([2, 1, 3, 1])}


@pytest.fixture(scope="module")
def engine() -> burnish.Engine:
    return burnish.load(burnish.build(onnx.parser.parse_model(TEXT), profile=PROFILE), threads=1)


@pytest.mark.parametrize(("n", "s"), [(3, [4, 5, 3]), (3, [1, 1, 1]), (1, [4, 2, 7]), (3, [4, 0, 3]), (5, [1, 9, 5])])
def test_a_target_of_the_run_gives_what_onnxruntime_gives(engine: burnish.Engine, n: int, s: list[int]) -> None:
    session = onnxruntime.InferenceSession(onnx.parser.parse_model(TEXT).SerializeToString())
    found = engine(feeds(n, s))
    for name, want in zip(("y", "z"), session.run(None, feeds(n, s)), strict=True):
        np.testing.assert_array_equal(found[name], want, strict=True)


def test_only_reading_the_sizes_is_left_to_the_reference_kernel(engine: burnish.Engine) -> None:
    launches = engine.variant.launches
    assert {x.name for x in launches if x.kernel == "Reference"} == {"Expand_0/sizes/empty", "Tile_3/sizes/empty"}
    assert "Mul_1" in {x.name for x in launches if x.kernel == "Loops"}  # with the Expand before it


@pytest.mark.parametrize(("s", "sizes"), [([2, 5, 3], "4 and 2"), ([4, 5, 2], "3 and 2")])
def test_a_target_that_does_not_fit_is_refused_with_the_node_and_the_shapes(engine, s: list[int], sizes: str) -> None:
    with pytest.raises(burnish.BurnishError, match=rf"E509: sizes {sizes} do(.|\n)*'Expand_0', inputs x f32\[4,1,n\]"):
        engine(feeds(3, s))


def test_a_negative_size_is_refused_at_the_node_that_reads_it(engine: burnish.Engine) -> None:
    with pytest.raises(burnish.BurnishError, match=r"E512(.|\n)*Expand_0/sizes"):
        engine(feeds(3, [-1, 5, 3]))


def test_sizes_are_read_once_and_what_is_known_or_of_open_length_stays() -> None:
    model = parse("""agraph (float[2,1] x, int64[2] s, int64[k] t) => (y, z, u, v) <int64[2] c = {2, 3}> {
        y = Expand (x, s) z = Tile (x, s) u = Expand (x, c) [open] v = Expand (x, t) }""")
    context = PassContext()
    assert read_sizes(model, context) == 2
    assert operators(model).count("ConstantOfShape") == 1
    (declined,) = context.report.why("read_sizes")
    assert declined.node == "open" and "how many sizes" in declined.reason
    assert read_sizes(model, PassContext()) == 0
