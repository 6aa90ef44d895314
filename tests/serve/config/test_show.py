from __future__ import annotations

import json

import pytest

from burnish.serve.config.normalise import normalise_groups
from burnish.serve.config.parse_text import parse_text
from burnish.serve.config.show import config_json, metadata_json, protocol_type, type_name
from burnish.serve.proto import model_config_pb2 as pb
from tests.serve.config.configs import config_of, ensemble_of


def test_a_completed_configuration_is_shown_with_every_default() -> None:
    config = config_of()
    normalise_groups(config)
    shown = config_json(config)
    assert list(shown) == [
        "name", "platform", "backend", "runtime", "version_policy", "max_batch_size", "input", "output", "batch_input",
        "batch_output", "optimization", "instance_group", "default_model_filename", "cc_model_filenames", "metric_tags",
        "parameters", "model_warmup",
    ]  # fmt: skip
    assert shown["input"] == [
        {
            "name": "IN", "data_type": "TYPE_FP32", "format": "FORMAT_NONE", "dims": [3], "is_shape_tensor": False,
            "allow_ragged_batch": False, "optional": False, "is_non_linear_format_io": False,
        }
    ]  # fmt: skip
    assert shown["version_policy"] == {"latest": {"num_versions": 1}}
    assert shown["instance_group"] == [
        {
            "name": "m", "kind": "KIND_CPU", "count": 1, "gpus": [], "secondary_devices": [], "profile": [],
            "passive": False, "host_policy": "",
        }
    ]  # fmt: skip


def test_long_integers_are_numbers_and_the_three_that_triton_forgot_are_texts() -> None:
    config = parse_text(
        """dynamic_batching { max_queue_delay_microseconds: 9007199254740993
        priority_queue_policy { key: 2 value { } } }
        version_policy { specific { versions: 3 } } instance_group { secondary_devices { device_id: 7 } }
        optimization { cuda { graph_spec { input { key: "A" value { dim: 5 } } } } }"""
    )
    shown = config_json(config)
    assert shown["dynamic_batching"]["max_queue_delay_microseconds"] == 9007199254740993
    assert shown["version_policy"] == {"specific": {"versions": [3]}}
    assert list(shown["dynamic_batching"]["priority_queue_policy"]) == ["2"]
    assert shown["instance_group"][0]["secondary_devices"] == [{"kind": "KIND_NVDLA", "device_id": "7"}]
    assert shown["optimization"]["cuda"]["graph_spec"][0]["input"] == {"A": {"dim": ["5"]}}
    states = parse_text("sequence_batching { state { dims: 2 initial_state { dims: 2 zero_data: true } } }")
    state = config_json(states)["sequence_batching"]["state"][0]
    assert (state["dims"], state["initial_state"][0]["dims"]) == ([2], ["2"])


def test_choices_are_shown_only_if_they_are_made() -> None:
    two = "inputs { key: 'a' value { } } inputs { key: 'b' value { zero_data: false } }"
    shown = config_json(parse_text(f"model_warmup {{ {two} }}"))
    inputs = shown["model_warmup"][0]["inputs"]
    assert (list(inputs["a"]), inputs["b"]["zero_data"]) == (["data_type", "dims"], False)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("0", 0),
        ("1", 1),
        ("0.5", 0.5),
        ("0.1", 0.1),
        ("0.333333343", 0.33333334),
        ("nan", "NaN"),
        ("-inf", "-Infinity"),
    ],
)
def test_floats_have_the_fewest_digits_that_mean_them(given: str, shown: object) -> None:
    config = parse_text(f"sequence_batching {{ direct {{ minimum_slot_utilization: {given} }} }}")
    found = config_json(config)["sequence_batching"]["direct"]["minimum_slot_utilization"]
    assert json.dumps(found) == json.dumps(shown)


def test_fields_that_triton_2_51_had_not_are_shown_only_if_they_are_set() -> None:
    config = ensemble_of("a(A=X) -> (B=Z)")
    assert list(config_json(config)["ensemble_scheduling"]) == ["step"]
    config.ensemble_scheduling.max_inflight_requests = 3
    assert config_json(config)["ensemble_scheduling"]["max_inflight_requests"] == 3
    config.model_metrics.metric_control.add(metric_identifier={"family": "f"}, histogram_options={"buckets": [0.1, 1]})
    assert config_json(config)["model_metrics"]["metric_control"][0]["histogram_options"] == {"buckets": [0.1, 1]}


def test_metadata_has_the_batch_dimension_and_dims_as_clients_see_them() -> None:
    config = parse_text(
        """name: 'm' backend: 'python' max_batch_size: 2
        input { name: 'T' data_type: TYPE_STRING dims: [ -1, 2 ] reshape { shape: [ -1 ] } }
        output { name: 'O' data_type: TYPE_BF16 dims: 1 }"""
    )
    assert metadata_json(config, [1, 10]) == {
        "name": "m",
        "versions": ["1", "10"],
        "platform": "python",
        "inputs": [{"name": "T", "datatype": "BYTES", "shape": [-1, -1, 2]}],
        "outputs": [{"name": "O", "datatype": "BF16", "shape": [-1, 1]}],
    }
    config.platform, config.max_batch_size = "some", 0
    assert metadata_json(config, [])["platform"] == "some"
    assert metadata_json(config, [])["outputs"][0]["shape"] == [1]


def test_types_have_a_name_in_the_protocol_and_one_in_the_configuration() -> None:
    names = {n: protocol_type(v) for n, v in pb.DataType.items()}
    assert names["TYPE_STRING"] == "BYTES"
    assert names["TYPE_INVALID"] == protocol_type(99) == "<invalid>"
    assert all(names[f"TYPE_{n}"] == n for n in ("BOOL", "UINT8", "INT64", "FP16", "FP32", "FP64", "BF16"))
    assert (type_name(pb.TYPE_FP32), type_name(99)) == ("TYPE_FP32", "99")
