"""infer_by_rule.py: the shapes that a run gives, where ONNX's own inference says others or none."""

from __future__ import annotations

import numpy as np
import onnx.parser
import onnx.reference
import onnx_ir as ir
import pytest

import burnish
from burnish.dims import evaluate
from burnish.ops.inference.infer import infer
from tests.reference.compare import drawn, feeds_of, model_of, wanted


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", ["attention", "stft", "quantized_convolution"])
def test_the_shapes_of_open_dimensions_are_those_of_onnxruntime(name: str, seed: int):
    case = drawn(name, seed)
    model = model_of(case, "open")
    found = infer(ir.from_proto(model).graph)
    sizes = {f"d{n[1:]}_{axis}": d for n, a in feeds_of(model, case).items() for axis, d in enumerate(a.shape)}
    tensors = {v.name: t for v, t in found.tensors.items()}
    for value, want in zip(model.graph.output, wanted(case)):
        shape = tensors[value.name].shape
        known = [evaluate(d, sizes) if str(d) not in found.from_data else n for d, n in zip(shape, want.shape)]
        assert len(shape) == want.ndim
        assert known == list(np.shape(want))


@pytest.mark.parametrize(
    ("axes", "cut"),
    [("", {0}), (", , two", {0}), (", last", {3}), (", both", {1, 3})],
)
def test_a_slice_from_computed_places_opens_only_the_axes_that_it_cuts(axes: str, cut: set[int]):
    count = "2" if "both" in axes else "1"
    text = f"""<ir_version: 10, opset_import: ["" : 21]> m (float[n,4,5,6] x, int64[{count}] s, int64[{count}] e) => (y)
        <int64[1] last = {{-1}}, int64[2] both = {{3, -3}}, int64[1] two = {{2}}> {{ y = Slice (x, s, e{axes}) }}"""
    proto = onnx.parser.parse_model(text)
    found = infer(ir.from_proto(proto).graph)
    (y,) = (t for v, t in found.tensors.items() if v.name == "y")
    assert [str(d) in found.from_data for d in y.shape] == [a in cut for a in range(4)]
    starts, ends = np.array([1, 2][: int(count)]), np.array([3, 4][: int(count)])
    x = np.arange(3 * 4 * 5 * 6, dtype=np.float32).reshape(3, 4, 5, 6)
    wanted = onnx.reference.ReferenceEvaluator(proto).run(None, {"x": x, "s": starts, "e": ends})[0]
    with burnish.load(burnish.build(proto, profile={"x": [(1, 4, 5, 6), (3, 4, 5, 6), (3, 4, 5, 6)]})) as engine:
        np.testing.assert_array_equal(engine(x=x, s=starts, e=ends)["y"], wanted)
