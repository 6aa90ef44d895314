"""What a model's metadata and configuration say, and the shapes that may be asked for."""

from __future__ import annotations

import pytest

from burnish.errors import UserError
from burnish.perf.data.model import describe, request_shapes
from tests.perf.fake_server import CONFIG, METADATA


def test_a_batch_dimension_is_taken_off_where_the_config_has_batches() -> None:
    model = describe(METADATA, CONFIG)
    assert (model.max_batch, model.inputs[0].shape, model.outputs[0].shape) == (8, (4,), (4,))
    plain = describe(METADATA, {"max_batch_size": 0})
    assert (plain.max_batch, plain.inputs[0].shape) == (0, (-1, 4))


def test_without_a_config_a_first_dimension_of_any_size_is_the_batch() -> None:
    assert describe(METADATA, None).inputs[0].shape == (4,)
    fixed = {**METADATA, "inputs": [{"name": "IN", "datatype": "FP32", "shape": [2, 4]}]}
    assert describe(fixed, None).max_batch == 0


def test_the_config_says_what_kind_of_model_it_is() -> None:
    config = {
        "max_batch_size": 8,
        "model_transaction_policy": {"decoupled": True},
        "sequence_batching": {},
        "ensemble_scheduling": {"step": [{"model_name": "a"}, {"model_name": "b"}, {"model_name": "a"}]},
        "input": [{"name": "IN", "optional": True}],
    }
    model = describe(METADATA, config)
    assert (model.is_decoupled, model.has_sequences, model.composing) == (True, True, ("a", "b"))
    assert model.inputs[0].is_optional
    assert not describe(METADATA, CONFIG).is_decoupled and not describe(METADATA, CONFIG).has_sequences


def test_a_shape_fills_free_dimensions_and_no_others() -> None:
    model = describe(METADATA, {"max_batch_size": 0})
    assert request_shapes(model, {}, 1) == {"IN": None}
    assert request_shapes(model, {"IN": (3, 4)}, 1) == {"IN": (3, 4)}
    for wrong in ((3, 5), (4,), (3, 4, 1)):
        with pytest.raises(UserError, match="E682"):
            request_shapes(model, {"IN": wrong}, 1)
    with pytest.raises(UserError, match="no input 'OTHER'"):
        request_shapes(model, {"OTHER": (1,)}, 1)


def test_a_batch_larger_than_the_models_is_refused() -> None:
    assert request_shapes(describe(METADATA, CONFIG), {}, 8) == {"IN": (4,)}
    with pytest.raises(UserError, match="largest batch is 8"):
        request_shapes(describe(METADATA, CONFIG), {}, 9)
    with pytest.raises(UserError, match="no batch dimension"):
        request_shapes(describe(METADATA, {"max_batch_size": 0}), {"IN": (1, 4)}, 2)


def test_an_optional_input_is_left_out_unless_it_has_a_shape() -> None:
    model = describe(METADATA, {"max_batch_size": 8, "input": [{"name": "IN", "optional": True}]})
    assert request_shapes(model, {}, 1) == {}
    assert request_shapes(model, {"IN": (4,)}, 1) == {"IN": (4,)}
