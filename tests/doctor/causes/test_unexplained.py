"""A layer that loses much for no cause that has a name."""

from __future__ import annotations

import numpy as np

from tests.doctor.planted import CPU, Surgery, model_of, normal


def test_the_layer_is_named_all_the_same(surgery: Surgery) -> None:
    v = normal(24, 12, seed=2)
    v[::2] *= 1e-3  # rows that one scale for each column leaves no code
    text = "g (float[16,24] x) => (float[16,12] y) { [second] y = MatMul(x, v) }"
    x = normal(16, 24, seed=1)
    x[:, 1::2] *= 1e-3
    from burnish.precision.ranges import Range, Ranges

    ranges = Ranges({"x": Range(float(x.min()), float(x.max()))})
    found = surgery.diagnose(model_of(text, v=v), [{"x": x}], CPU, precision="int8", ranges=ranges, remedy=False)
    assert found.findings and np.isfinite(found.error) and not found.is_healthy
