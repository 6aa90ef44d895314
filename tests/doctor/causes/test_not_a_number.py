"""NaN that is there in f32, too."""

from __future__ import annotations

import numpy as np
import pytest

from tests.doctor.planted import CPU, DATA, GPU, Surgery, fitting_ranges, mlp, model_of, normal


@pytest.mark.parametrize(("target", "precision"), [(CPU, "fp16"), (GPU, "fp16"), (CPU, "int8"), (GPU, "int8")])
def test_nan_in_the_data_is_named_and_no_layer_is_blamed(surgery: Surgery, target: str, precision: str) -> None:
    model = mlp()
    data = [{"x": DATA[0]["x"].copy()}]
    data[0]["x"][3, 4] = np.nan
    ranges = fitting_ranges(model) if precision == "int8" else None
    found = surgery.diagnose(model, data, target, precision=precision, ranges=ranges)
    (finding,) = found.findings
    assert (finding.cause.name, finding.layer, finding.raises) == ("not_a_number", "x", ()) and found.remedy is None


def test_the_node_that_makes_nan_of_numbers_is_named(surgery: Surgery) -> None:
    text = """g (float[4,8] x) => (float[4,8] y) {
        [first] a = MatMul(x, w)
        [root] b = Sqrt(a)
        [second] y = MatMul(b, w)
    }"""
    found = surgery.diagnose(model_of(text, w=normal(8, 8, seed=1)), [{"x": normal(4, 8)}], CPU, precision="fp16")
    (finding,) = found.findings
    assert (finding.cause.name, finding.layer, finding.tensor) == ("not_a_number", "root", "b")
