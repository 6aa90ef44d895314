"""The gate on real models: each passes on its real samples within the derived tolerance, built for their shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import burnish
from burnish.verification import verify
from burnish.verification.data_sets import load_cases
from burnish.verification.oracle import Oracle

MODELS = Path(__file__).parents[2] / ".." / "shared" / "models"
QUICK = {"mnist_cntk", "superres_10"}
CLASSIFIERS = {"mnist_cntk", "squeezenet_fp16", "magika_v3_3"}
NAMES = sorted(p.parent.name for p in MODELS.glob("*/model.onnx"))
LEAST_COSINE = 0.99999

pytestmark = pytest.mark.skipif(not NAMES, reason="the shared models are not beside this checkout")


def cases_by_shapes(folder: Path) -> list[tuple[dict[str, tuple[int, ...]], dict[str, dict[str, np.ndarray]]]]:
    """(input shapes, sets of inputs with those shapes)."""
    graph = onnx.load(str(folder / "model.onnx"), load_external_data=False).graph
    constants = {tensor.name for tensor in graph.initializer}
    names = [value.name for value in graph.input if value.name not in constants]
    found: dict[tuple[tuple[str, tuple[int, ...]], ...], dict[str, dict[str, np.ndarray]]] = {}
    for case, inputs in load_cases(folder, names).items():
        found.setdefault(tuple((name, array.shape) for name, array in inputs.items()), {})[case] = inputs
    return [(dict(shapes), cases) for shapes, cases in found.items()]


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in NAMES])
def test_a_trained_model_answers_as_onnxruntime_does_on_its_real_samples(name: str) -> None:
    path = MODELS / name / "model.onnx"
    for shapes, cases in cases_by_shapes(MODELS / name):
        plan = burnish.build(path, shapes=shapes)
        for case, inputs in cases.items():
            report = verify(path, plan, data=inputs)
            assert report.is_accepted, f"{case}: {report.as_dict()}"
            assert all(c.cosine >= LEAST_COSINE for c in report.cases["data"] if c.dtype == "f32")
            if name in CLASSIFIERS:
                with burnish.load(plan) as engine:
                    (ours,), (theirs,) = engine(inputs).values(), Oracle(path)(inputs).values()
                rows = (len(ours), -1)
                assert np.array_equal(ours.reshape(rows).argmax(1), theirs.reshape(rows).argmax(1))
