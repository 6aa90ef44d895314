from __future__ import annotations

import pytest

from burnish.serve.config.check_model import check_against_model, shape_text
from burnish.serve.config.complete import TensorInfo, complete_from_model
from burnish.serve.config.parse_text import parse_text
from tests.serve.config.configs import config_of, refusal

OUT = [TensorInfo("OUT", "TYPE_FP32", (-1, 3))]


def test_what_the_model_completed_fits_the_model() -> None:
    inputs = [TensorInfo("a", "TYPE_FP32", (-1, 3)), TensorInfo("b", "TYPE_STRING", (-1,))]
    config = parse_text("name: 'm'")
    complete_from_model(config, inputs, OUT)
    check_against_model(config, inputs, OUT)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((-1, 3), ""),
        ((-1, -1), ""),
        ((-1, 3, 1), "reshape { shape: [ 3, 1 ] }"),
        ((-1,), "allow_ragged_batch: true"),
    ],
)
def test_shapes_that_the_model_can_run_are_accepted(shape: tuple[int, ...], text: str) -> None:
    config = parse_text(f"name: 'm' max_batch_size: 4 input {{ name: 'IN' data_type: TYPE_FP32 dims: [ 3 ] {text} }}")
    check_against_model(config, [TensorInfo("IN", "TYPE_FP32", shape)], [])


@pytest.mark.parametrize(
    ("info", "why"),
    [
        (
            TensorInfo("IN", "TYPE_INT32", (-1, 3)),
            "unable to load model 'm', configuration expects datatype TYPE_FP32 for input 'IN', model "
            "provides TYPE_INT32",
        ),
        (TensorInfo("X", "TYPE_FP32", (-1, 3)), "unexpected inference input 'IN', allowed inputs are: X"),
        (
            TensorInfo("IN", "TYPE_FP32", (-1, 4)),
            "model 'm', tensor 'IN': the model expects 2 dimensions (shape [-1,4]) but the model "
            "configuration specifies 2 dimensions (an initial batch dimension because max_batch_size > 0 followed "
            "by the explicit tensor shape, making complete shape [-1,3])",
        ),
        (
            TensorInfo("IN", "TYPE_FP32", (2, 3)),
            "model 'm', tensor 'IN': for the model to support batching the shape should have at least 1 dimension "
            "and the first dimension must be -1; but shape expected by the model is [2,3]",
        ),
        (
            TensorInfo("IN", "TYPE_FP32", ()),
            "model 'm', tensor 'IN': for the model to support batching the shape should have at least 1 dimension "
            "and the first dimension must be -1; but shape expected by the model is []",
        ),
    ],
)  # fmt: skip
def test_tensors_that_the_model_has_otherwise_are_refused(info: TensorInfo, why: str) -> None:
    assert refusal(check_against_model, config_of(), [info], OUT) == why


def test_without_a_batch_the_whole_shape_is_compared() -> None:
    config = config_of(max_batch_size=0)
    assert refusal(check_against_model, config, [TensorInfo("IN", "TYPE_FP32", (4,))], OUT) == (
        "model 'm', tensor 'IN': the model expects 1 dimensions (shape [4]) but the model configuration specifies 1 "
        "dimensions (shape [3])"
    )
    assert "scalar tensor 'IN', should only provide 1" in refusal(
        check_against_model, config, [TensorInfo("IN", "TYPE_FP32", ())], OUT
    )


def test_the_number_of_inputs_must_agree_but_for_optional_ones() -> None:
    given = [TensorInfo("IN", "TYPE_FP32", (-1, 3))]
    check_against_model(config_of(), [*given, TensorInfo("more", "TYPE_FP32", (-1,), optional=True)], OUT)
    message = refusal(check_against_model, config_of(), [*given, TensorInfo("more", "TYPE_FP32", (-1,))], OUT)
    assert message == "unable to load model 'm', configuration expects 1 inputs, model provides 2"


def test_a_ragged_input_is_one_row_of_any_length() -> None:
    config = parse_text(
        "name: 'm' max_batch_size: 4 input { name: 'IN' data_type: TYPE_FP32 dims: 3 allow_ragged_batch: true }"
    )
    message = refusal(check_against_model, config, [TensorInfo("IN", "TYPE_FP32", (-1, 3))], [])
    assert message.endswith("for ragged input 'IN', model provides [-1,3]")


def test_shapes_are_written_as_triton_writes_them() -> None:
    assert shape_text([-1, 3, 224]) == "[-1,3,224]"
