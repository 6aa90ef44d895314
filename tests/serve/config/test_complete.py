from __future__ import annotations

import pytest

from burnish.serve.config.check_tensors import check_tensors
from burnish.serve.config.complete import TensorInfo, complete_from_model, update_from_model
from burnish.serve.config.parse_text import parse_text
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.status import Code
from tests.serve.config.configs import config_of, refusal

IMAGE = TensorInfo("image", "TYPE_FP32", (-1, 3, 8))
LABEL = TensorInfo("label", pb.TYPE_INT64, (-1,))
FIXED = TensorInfo("fixed", "TYPE_FP32", (2, 3))


def completed(text: str, inputs=(IMAGE,), outputs=(LABEL,), **options: int) -> pb.ModelConfig:
    config = parse_text(f"name: 'm' backend: 'burnish' {text}")
    complete_from_model(config, inputs, outputs, **options)
    return config


def tensors(found) -> list[tuple[object, ...]]:
    return [(t.name, pb.DataType.Name(t.data_type), list(t.dims), t.HasField("reshape")) for t in found]


def test_a_model_that_can_be_batched_gets_a_batch_size_and_dynamic_batching() -> None:
    config = completed("")
    assert config.max_batch_size == 4
    assert list(config.dynamic_batching.preferred_batch_size) == [4]
    assert tensors(config.input) == [("image", "TYPE_FP32", [3, 8], False)]
    assert tensors(config.output) == [("label", "TYPE_INT64", [1], True)]  # a scalar for each row
    check_tensors(config)


def test_a_model_of_fixed_shapes_is_not_batched() -> None:
    config = completed("", [FIXED, IMAGE], [FIXED])
    assert config.max_batch_size == 0
    assert config.WhichOneof("scheduling_choice") is None
    assert tensors(config.input)[1] == ("image", "TYPE_FP32", [-1, 3, 8], False)


def test_a_scalar_without_a_batch_is_one_element() -> None:
    assert tensors(completed("", [FIXED], [TensorInfo("s", "TYPE_FP32", ())]).output) == [
        ("s", "TYPE_FP32", [1], False)
    ]


@pytest.mark.parametrize(
    ("text", "options", "size", "scheduler"),
    [
        ("max_batch_size: 16", {}, 16, "dynamic_batching"),
        ("max_batch_size: 1", {}, 1, None),
        ("", {"default_max_batch_size": 1}, 1, None),
        ("", {"default_max_batch_size": 0}, 0, None),
        ("", {"most_rows": 2}, 2, "dynamic_batching"),
        ("", {"most_rows": 64}, 4, "dynamic_batching"),
        ("sequence_batching { }", {}, 4, "sequence_batching"),
    ],
)
def test_batch_size_and_scheduler_that_are_given_stay(text: str, options, size: int, scheduler: str | None) -> None:
    config = completed(text, **options)
    assert (config.max_batch_size, config.WhichOneof("scheduling_choice")) == (size, scheduler)


def test_inputs_and_outputs_that_are_listed_settle_the_rest() -> None:
    text = "input { name: 'image' data_type: TYPE_FP32 dims: [ -1, 3, 8 ] } output { name: 'label' dims: [ -1 ] }"
    config = completed(text)
    assert (config.max_batch_size, config.WhichOneof("scheduling_choice")) == (0, None)
    assert tensors(config.output) == [("label", "TYPE_INT64", [-1], False)]


def test_what_a_listed_tensor_leaves_out_comes_from_the_model() -> None:
    config = completed("max_batch_size: 2 input { name: 'image' format: FORMAT_NCHW }")
    assert tensors(config.input) == [("image", "TYPE_FP32", [3, 8], False)]
    assert config.input[0].format == pb.ModelInput.FORMAT_NCHW


def test_an_input_that_the_model_does_not_have_is_left_for_the_check() -> None:
    assert tensors(completed("input { name: 'other' }").input) == [("other", "TYPE_INVALID", [], False)]


def test_optional_inputs_stay_optional() -> None:
    extra = TensorInfo("extra", "TYPE_FP32", (-1, 2), optional=True)
    assert [t.optional for t in completed("", [IMAGE, extra]).input] == [False, True]


def test_a_batch_size_for_a_model_that_cannot_be_batched_is_refused() -> None:
    config = parse_text("name: 'm' max_batch_size: 4")
    message = refusal(complete_from_model, config, [IMAGE, FIXED], [LABEL])
    assert message == (
        "autofill failed for model 'm': model does not support batching while non-zero max_batch_size is specified: "
        "'fixed' has the shape [2, 3], whose first size is fixed"
    )


def test_a_python_models_answer_is_taken_over_and_normalised() -> None:
    config = parse_text("name: 'm' backend: 'python'")
    told = config_of("dynamic_batching { } model_transaction_policy { decoupled: true }")
    told.dynamic_batching.ClearField("preferred_batch_size")
    update_from_model(config, told)
    assert (list(config.input), list(config.output), config.max_batch_size) == (list(told.input), list(told.output), 4)
    assert list(config.dynamic_batching.preferred_batch_size) == [4]
    assert config.model_transaction_policy.decoupled


def test_a_scheduler_that_is_given_stays_and_no_other_may_be_told() -> None:
    config = config_of("dynamic_batching { max_queue_delay_microseconds: 5 }")
    update_from_model(config, config_of("dynamic_batching { }"))
    assert config.dynamic_batching.max_queue_delay_microseconds == 5
    with pytest.raises(Exception, match="Cannot update scheduling choice from 11 to 11 when auto-completing") as caught:
        update_from_model(config, config_of("sequence_batching { }"))
    assert caught.value.code == Code.INTERNAL
