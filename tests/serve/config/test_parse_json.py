from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.serve.config.parse_json import parse_json
from burnish.serve.config.parse_text import parse_text
from burnish.serve.config.refusal import ConfigError
from burnish.serve.config.show import config_json
from burnish.serve.proto import model_config_pb2 as pb
from tests.serve.config.configs import config_of, refusal


def test_names_in_either_spelling_and_enum_names_in_any_case_are_read() -> None:
    text = '{"maxBatchSize": "3", "input": [{"name": "x", "data_type": "type_fp32", "dims": ["3", -1, 2.0]}]}'
    assert parse_json(text) == parse_text("max_batch_size: 3 input { name: 'x' data_type: TYPE_FP32 dims: [3, -1, 2] }")


def test_maps_choices_and_empty_messages_are_read() -> None:
    text = """{"dynamic_batching": {"priority_queue_policy": {"1": {"timeout_action": "DELAY"}}}, "version_policy":
    {"all": {}}, "metric_tags": {"a": "b"}, "parameters": {"k": {"string_value": "v"}}, "instance_group": null}"""
    config = parse_json(text)
    assert config.dynamic_batching.priority_queue_policy[1].timeout_action == pb.ModelQueuePolicy.DELAY
    assert config.version_policy.WhichOneof("policy_choice") == "all"
    assert (config.metric_tags["a"], config.parameters["k"].string_value) == ("b", "v")


def test_what_the_config_endpoint_shows_is_read_back_as_the_same() -> None:
    config = config_of(
        """instance_group { kind: KIND_GPU gpus: [ 0, 1 ] secondary_devices { device_id: 7 } }
        sequence_batching { direct { minimum_slot_utilization: 0.3 } state { input_name: "a" dims: 2
        initial_state { name: "z" dims: 2 zero_data: false } }
        control_input { name: "S" control { fp32_false_true: [0, 1] } } }
        version_policy { specific { versions: [ 1, 9007199254740993 ] } }
        optimization { cuda { graph_spec { input { key: "IN" value { dim: [ 3 ] } } } } }
        model_warmup { inputs { key: "IN" value { random_data: true dims: 3 } } }"""
    )
    assert parse_json(json.dumps(config_json(config))) == config


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no JSON"),
        ("", "no JSON"),
        ("[]", "it is a list; an object, { ... } is expected"),
        ("null", "it is null"),
        ('{"colour": 1}', "ModelConfig has no field 'colour'"),
        ('{"input": [{}, {"nme": 1}]}', "input[1]: ModelInput has no field 'nme'; did you mean name?"),
        ('{"max_batch_size": "three"}', 'max_batch_size is "three"; a whole number from -2147483648 to 2147483647'),
        ('{"max_batch_size": 3.5}', "max_batch_size is 3.5; a whole number"),
        ('{"max_batch_size": 1e400}', "max_batch_size is Infinity; a whole number"),
        ('{"max_batch_size": NaN}', "NaN is no JSON"),
        ('{"max_batch_size": true}', "max_batch_size is true; a whole number"),
        ('{"version_policy": {"latest": {"num_versions": -1}}}', "version_policy.latest.num_versions is -1"),
        ('{"input": "x"}', 'input is "x"; a list, [ ... ] is expected'),
        ('{"input": [3]}', "input[0] is 3; an object"),
        ('{"input": [{"dims": [[1]]}]}', "input[0].dims[0] is a list; a whole number"),
        (
            '{"input": [{"data_type": "TYPE_FLOAT"}]}',
            "input[0].data_type: DataType has no value TYPE_FLOAT; did you mean",
        ),
        ('{"name": 3}', "name is 3; a text is expected"),
        ('{"name": "\\ud800"}', "name holds half a surrogate pair"),
        ('{"parameters": {"a": "b"}}', "parameters['a'] is \"b\"; an object"),
        ('{"parameters": []}', "parameters is a list; an object"),
        ('{"response_cache": {"enable": 1}}', "response_cache.enable is 1; true or false is expected"),
        ('{"dynamic_batching": {"priority_queue_policy": {"x": {}}}}', "dynamic_batching.priority_queue_policy['x']"),
        (
            '{"dynamic_batching": {}, "sequence_batching": {}}',
            "'sequence_batching' and 'dynamic_batching' exclude each",
        ),
        ('{"max_batch_size": 1, "maxBatchSize": 2}', "'maxBatchSize' and 'max_batch_size' exclude each other"),
        ('{"name": "a", "name": "b"}', "'name' is given twice"),
        ('{"sequence_batching": {"direct": {"minimum_slot_utilization": "much"}}}', 'is "much"; a number is expected'),
        ('{"sequence_batching": {"direct": {"minimum_slot_utilization": [1]}}}', "is a list; a number is expected"),
        ('{"sequence_batching": {"direct": {"minimum_slot_utilization": 1%s}}}' % ("0" * 400), "fits a float"),
        ('{"a":' * 100_000, "no JSON"),
    ],
)
def test_what_is_no_configuration_is_refused_by_the_place_in_it(text: str, why: str) -> None:
    message = refusal(parse_json, text)
    assert message.startswith("Invalid config override: ")
    assert why in message


def test_numbers_that_are_not_finite_are_given_as_texts() -> None:
    config = parse_json('{"sequence_batching": {"direct": {"minimum_slot_utilization": "NaN"}}}')
    assert math.isnan(config.sequence_batching.direct.minimum_slot_utilization)


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(["TYPE_FP32"])
_NAMES = st.sampled_from(
    [
        "name",
        "input",
        "dims",
        "data_type",
        "dynamic_batching",
        "parameters",
        "string_value",
        "direct",
        "optimization",
        "sequence_batching",
        "minimum_slot_utilization",
        "model_warmup",
        "inputs",
        "instance_group",
        "kind",
        "priority",
    ]
)
_VALUES = st.recursive(
    _LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(_NAMES, v, max_size=4), max_leaves=12
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(_NAMES, _VALUES, max_size=5))
def test_any_json_is_read_or_refused(value: object) -> None:
    try:
        config = parse_json(json.dumps(value))
    except ConfigError:
        return
    assert pb.ModelConfig.FromString(config.SerializeToString()) is not None


def test_one_message_stands_without_brackets_and_truth_in_quotes_as_for_triton() -> None:
    found = parse_json('{"input": {"name": "x"}, "response_cache": {"enable": "true"}}')
    assert [i.name for i in found.input] == ["x"]
    assert found.response_cache.enable
    with pytest.raises(ConfigError, match=r'enable is "yes"; true or false is expected'):
        parse_json('{"response_cache": {"enable": "yes"}}')
