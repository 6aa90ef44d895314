"""input_info.py: what callers see of an engine's inputs and outputs."""

from __future__ import annotations

from dataclasses import replace

import ml_dtypes
import numpy as np

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.plan.manifest import Manifest, OutputShape, SymbolRange, TensorSpec
from burnish.runtime.input_info import InputInfo, describe_inputs, describe_outputs

N = symbol("n")
MANIFEST = Manifest(
    "burnish",
    "m",
    "",
    {},
    (SymbolRange("n", 1, 4, 16), SymbolRange("found", 0, 1, 9, from_data=True)),
    (TensorSpec("x", DType.F32, (N, 3), 0), TensorSpec("scale", DType.BF16, (), 1)),
    (TensorSpec("y", DType.I64, (N * 2 + 1,), 2), TensorSpec("rows", DType.BOOL, (symbol("found"),), 3)),
    (),
)


def test_an_input_has_numpys_dtype_its_shape_and_the_profiles_sizes() -> None:
    x, scale = describe_inputs(MANIFEST)
    assert x == InputInfo("x", np.dtype(np.float32), ("n", 3), (1, 3), (4, 3), (16, 3))
    assert scale == InputInfo("scale", np.dtype(ml_dtypes.bfloat16), (), (), (), ())


def test_an_outputs_formula_is_text_and_its_sizes_are_numbers() -> None:
    y, _ = describe_outputs(MANIFEST)
    assert y.shape == (str(N * 2 + 1),) and (y.min, y.opt, y.max) == ((3,), (9,), (33,))


def test_an_output_whose_size_data_decides_has_none() -> None:
    rows = describe_outputs(MANIFEST)[1]
    assert rows.shape == ("found",) and (rows.min, rows.opt, rows.max) == (None, None, None)


def test_an_output_whose_rank_data_decides_has_no_sizes_and_three_dots() -> None:
    told = (OutputShape("y", TensorSpec("y/shape", DType.I64, (symbol("found"),), 4)),)
    y, rows = describe_outputs(replace(MANIFEST, output_shapes=told))
    assert y == InputInfo("y", np.dtype(np.int64), ("...",), None, None, None)
    assert rows.shape == ("found",)


def test_a_plan_without_outputs_describes_none() -> None:
    assert describe_outputs(replace(MANIFEST, outputs=())) == ()
