from __future__ import annotations

import pytest

from burnish.serve.config.check_tensors import check_tensors
from burnish.serve.config.parse_text import parse_text
from burnish.serve.config.refusal import ConfigError
from tests.serve.config.configs import config_of, refusal

SIZES = "must be integer >= 1, or -1 to indicate a variable-size dimension"


def config_with(input_text: str, output_text: str, batch: int = 2, more: str = ""):
    head = f"name: 'm' backend: 'python' max_batch_size: {batch}"
    return parse_text(f"{head} input {{ {input_text} }} output {{ {output_text} }} {more}")


GOOD_IN, GOOD_OUT = "name: 'IN' data_type: TYPE_FP32 dims: [ 3 ]", "name: 'OUT' data_type: TYPE_FP32 dims: [ 3 ]"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("data_type: TYPE_FP32 dims: 3", "must specify 'name'"),
        ("name: 'T' dims: 3", "'T' must specify 'data_type'"),
        ("name: 'T' data_type: 99 dims: 3", "'T' has data_type 99, which is no type"),
        ("name: 'T' data_type: TYPE_FP32", "'T' must specify 'dims'"),
        ("name: 'T' data_type: TYPE_FP32 dims: 0", f"'T' dimension {SIZES}"),
        ("name: 'T' data_type: TYPE_FP32 dims: [ 3, -2 ]", f"'T' dimension {SIZES}"),
        ("name: 'T' data_type: TYPE_FP32 dims: 3 reshape { shape: [ 0 ] }", f"'T' reshape dimensions {SIZES}"),
        (
            "name: 'T' data_type: TYPE_FP32 dims: 3 reshape { shape: [ 2, 2 ] }",
            "'T' has different size for dims and reshape",
        ),
        ("name: 'T' data_type: TYPE_FP32 dims: 3 reshape { }", "'T' has different size for dims and reshape"),
        ("name: 'T' data_type: TYPE_FP32 dims: -1 reshape { shape: 3 }", "'T' has different size for dims and reshape"),
        ("name: 'T' data_type: TYPE_FP32 dims: 3 reshape { shape: -1 }", "'T' has different size for dims and reshape"),
        (
            "name: 'T' data_type: TYPE_FP32 dims: [ -1, -1 ] reshape { shape: -1 }",
            "'T' has different number of variable-size dimensions for dims and reshape",
        ),
        (
            "name: 'T' data_type: TYPE_FP32 dims: [ 2, -1, 6 ] reshape { shape: [ -1, 12 ] }",
            "'T' has different size for dims and reshape",
        ),
    ],
)
def test_inputs_and_outputs_are_refused_for_the_same_reasons(given: str, why: str) -> None:
    assert refusal(check_tensors, config_with(given, GOOD_OUT)) == f"model input {why} for m"
    assert refusal(check_tensors, config_with(GOOD_IN, given)) == f"model output {why} for m"


@pytest.mark.parametrize(
    "given",
    [
        "name: 'T' data_type: TYPE_BF16 dims: [ -1, 3 ]",
        "name: 'T' data_type: TYPE_FP32 dims: 1 reshape { }",
        "name: 'T' data_type: TYPE_FP32 dims: [ 2, 3 ] reshape { shape: 6 }",
        "name: 'T' data_type: TYPE_FP32 dims: [ 2, 4, -1, 6 ] reshape { shape: [ 8, -1, 1, 6 ] }",
        "name: 'T' data_type: TYPE_FP32 dims: [ -1, -1 ] reshape { shape: [ -1, 1, -1 ] }",
    ],
)
def test_dims_and_reshapes_that_agree_are_accepted(given: str) -> None:
    check_tensors(config_with(given, given))


def test_a_scalar_needs_a_batch() -> None:
    config = config_with("name: 'T' data_type: TYPE_FP32 dims: 1 reshape { }", GOOD_OUT, batch=0)
    assert refusal(check_tensors, config) == (
        "model input 'T' cannot have empty reshape for non-batching model as scalar tensors are not supported for m"
    )


def test_the_same_tensor_twice_is_accepted_as_triton_does() -> None:
    check_tensors(config_of("input { name: 'IN' data_type: TYPE_FP32 dims: 3 }"))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("format: FORMAT_NHWC", "model input NHWC/NCHW require 3 dims for m"),
        ("is_shape_tensor: true", "shape tensors are only supported for TensorRT platform for m"),
        ("is_non_linear_format_io: true", "Non-linear IO format is only supported for the TensorRT platform for m"),
    ],
)
def test_formats_need_their_dims_and_their_platform(given: str, why: str) -> None:
    assert refusal(check_tensors, config_with(f"{GOOD_IN} {given}", GOOD_OUT)) == why


def test_a_plan_under_tensorrts_name_may_have_shape_tensors() -> None:
    config = config_with(f"{GOOD_IN} is_shape_tensor: true", f"{GOOD_OUT} is_non_linear_format_io: true")
    config.backend = "tensorrt"
    assert refusal(check_tensors, config) == "Non-linear IO format output requires 3 dims for m"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (
            "batch_input { kind: BATCH_ITEM_SHAPE data_type: TYPE_INT32 }",
            "batch input kind 'BATCH_ITEM_SHAPE' expects 1 source input, got 0",
        ),
        ("batch_input { kind: 9 }", "unknown batch input kind '9'"),
        (
            "batch_input { data_type: TYPE_INT64 source_input: 'IN' }",
            "batch input data type must be TYPE_INT32 or TYPE_FP32",
        ),
        ("batch_input { data_type: TYPE_INT32 source_input: 'X' }", "unknown source input name 'X'"),
        ("batch_output { }", "batch output kind 'BATCH_SCATTER_WITH_INPUT_SHAPE' expects 1 source input, got 0"),
        ("batch_output { kind: 9 }", "unknown batch output kind '9'"),
        ("batch_output { source_input: 'X' }", "unknown source input name 'X'"),
        ("batch_output { source_input: 'IN' target_name: 'X' }", "unknown target output name 'X'"),
        (
            "batch_output { source_input: 'IN' target_name: ['OUT', 'OUT'] }",
            "target output name 'OUT' can only be specified once",
        ),
    ],
)
def test_batch_inputs_and_outputs_must_name_tensors_that_there_are(given: str, why: str) -> None:
    assert refusal(check_tensors, config_with(GOOD_IN, GOOD_OUT, more=given)) == f"{why} for m"


def test_batch_inputs_and_outputs_that_fit_are_accepted() -> None:
    more = (
        "batch_input { data_type: TYPE_FP32 source_input: 'IN' } batch_output { source_input: 'IN' target_name: 'OUT' }"
    )
    check_tensors(config_with(GOOD_IN, GOOD_OUT, more=more))


def test_a_batch_input_without_a_type_is_told_without_the_models_name_as_by_triton() -> None:
    with pytest.raises(ConfigError, match=r"^unexpected batch input data type 'TYPE_INVALID'$"):
        check_tensors(config_of("batch_input { source_input: 'IN' }"))
