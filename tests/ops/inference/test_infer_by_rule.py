"""infer_by_rule.py: the shapes that a run gives, where ONNX's own inference says others or none."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

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
