"""An If on a GPU, narrowed: both sides in Triton's interpreter, against ONNX Runtime's answers to the f32 model."""

from __future__ import annotations

import numpy as np
import pytest

from tests.end_to_end.branching import choosing
from tests.end_to_end.oracle import answers, session
from tests.targets.cuda.whole_program import run_model

ROUNDING = {"fp32": 2.0**-23, "fp16": 2.0**-11, "bf16": 2.0**-8}


@pytest.mark.parametrize("precision", ROUNDING)
@pytest.mark.parametrize("p", [True, False])
@pytest.mark.parametrize("end", ["Neg", "Exp"])
def test_sides_that_end_alike_or_not_answer_as_in_f32(precision: str, p: bool, end: str) -> None:
    content = choosing(end)
    feeds = {"x": np.random.default_rng(0).standard_normal((3, 16)).astype(np.float32), "p": np.array(p)}
    want = answers(session(content), feeds)["y"]
    got = run_model(content, feeds, precision=precision)["y"]
    assert got.dtype == np.float32
    assert np.abs(got.astype(np.float64) - want).max() <= 16 * ROUNDING[precision] * max(np.abs(want).max(), 1)
