"""Small networks for a GPU, every kernel in Triton's interpreter, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from tests.end_to_end.architectures import SMALL
from tests.end_to_end.oracle import answers, session
from tests.end_to_end.test_architectures import depth
from tests.targets.cuda.whole_program import run_model

STEPS = {"fp32": 2.0**-23, "fp16": 2.0**-10, "bf16": 2.0**-7}


@pytest.mark.slow
@pytest.mark.parametrize("precision", STEPS)
@pytest.mark.parametrize("name", SMALL)
def test_a_small_architecture(name: str, precision: str):
    architecture = SMALL[name]
    model = architecture.make()
    feeds = architecture.feeds(batch=1)
    want = answers(session(model), feeds)
    got = run_model(model, feeds, precision=precision)
    for output, reference in want.items():
        error = np.abs(got[output].astype(np.float64) - reference).max() / np.abs(reference).max()
        assert error <= 16 * STEPS[precision] * depth(model) ** 0.5
