"""Rows of a large product of f32 do not change each other: they may be requests of different callers in one batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import burnish

Array = np.ndarray[Any, Any]
ROWS, DEPTH, COLUMNS = 1024, 512, 256
RANDOM = np.random.default_rng(0)
WEIGHTS = RANDOM.standard_normal((DEPTH, COLUMNS)).astype(np.float32)
DATA = RANDOM.standard_normal((ROWS, DEPTH)).astype(np.float32)
LINE = 2 * np.arange(8) + 1  # every second of the first rows


@pytest.fixture(scope="module", params=["cpu:x86-64-v3", "cpu"])
def engine(request: pytest.FixtureRequest) -> Iterator[burnish.Engine]:
    model = onnx.parser.parse_model(f"""<ir_version: 10, opset_import: ["" : 17]>
    g (float[{ROWS}, {DEPTH}] x) => (float[{ROWS}, {COLUMNS}] y)
    <float[{DEPTH}, {COLUMNS}] w = {{0}}> {{ y = MatMul (x, w) }}""")
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(WEIGHTS, "w"))
    with burnish.load(burnish.build(model, target=request.param), threads=2) as loaded:
        yield loaded


def test_a_large_row_takes_no_digits_from_others(engine: burnish.Engine) -> None:
    x = DATA.copy()
    x[LINE] *= np.float32(1e6)
    found, want = engine({"x": x})["y"], x.astype(np.float64) @ WEIGHTS
    error = np.abs(found - want).max(axis=1) / np.abs(want).max(axis=1)
    assert error.max() < 1e-5


@pytest.mark.parametrize("special", [np.nan, np.inf])
@pytest.mark.parametrize("column", [0, DEPTH - 1])
def test_nan_and_infinity_stay_in_their_row(engine: burnish.Engine, special: float, column: int) -> None:
    x = DATA.copy()
    x[LINE, column] = special
    found = engine({"x": x})["y"]
    others = np.setdiff1d(np.arange(ROWS), LINE)
    assert np.isfinite(found[others]).all()
    want = np.broadcast_to(special * np.sign(WEIGHTS[column]), (len(LINE), COLUMNS))
    np.testing.assert_array_equal(found[LINE], want)
