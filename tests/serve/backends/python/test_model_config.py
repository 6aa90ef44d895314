import pytest

from burnish.serve.backends.python.model_config import ModelConfig

X = {"name": "X", "data_type": "TYPE_FP32", "dims": [3]}


def test_a_model_fills_in_what_the_configuration_leaves_open():
    config = ModelConfig({"name": "m", "max_batch_size": 0})
    config.set_max_batch_size(2)
    config.set_dynamic_batching()
    config.set_model_transaction_policy({"decoupled": True})
    config.add_input(X)
    config.add_output({**X, "name": "Y"})
    found = config.as_dict()
    assert (found["max_batch_size"], found["dynamic_batching"]) == (2, {})
    assert [t["name"] for t in (*found["input"], *found["output"])] == ["X", "Y"]


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        ({"name": "X"}, "must specify 'data_type'"),
        ({**X, "colour": 1}, "unknown fields: colour"),
        ({**X, "dims": [4]}, "expects dims"),
    ],
)
def test_a_tensor_that_is_not_complete_or_not_the_configured_one_is_refused(tensor, words):
    config = ModelConfig({"name": "m", "input": [{**X}]})
    with pytest.raises(ValueError, match=words):
        config.add_input(tensor)


def test_a_smaller_batch_than_the_configured_one_is_refused():
    with pytest.raises(ValueError, match="specified max_batch_size 4"):
        ModelConfig({"name": "m", "max_batch_size": 4}).set_max_batch_size(2)
