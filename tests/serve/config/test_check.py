from __future__ import annotations

import pytest

from burnish.serve.config.check import check_config, check_name
from burnish.serve.config.parse_text import parse_text
from burnish.serve.config.refusal import ConfigError
from tests.serve.config.configs import config_of, refusal, refused

ORDERED = "dynamic_batching { preserve_ordering: true"
PRIORITIES = "dynamic_batching { priority_levels: 2 default_priority_level: 1"
DELAY = "{ timeout_action: DELAY default_timeout_microseconds: 1 }"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dynamic_batching { }",
        "dynamic_batching { preferred_batch_size: [ 1, 4 ] max_queue_delay_microseconds: 7 }",
        "dynamic_batching { priority_levels: 3 default_priority_level: 3 priority_queue_policy { key: 1 value { } } }",
        ORDERED + " priority_levels: 1 default_priority_level: 1 }",
        ORDERED + " default_queue_policy { timeout_action: DELAY } }",
        "sequence_batching { }",
        "response_cache { enable: true }",
        "model_transaction_policy { decoupled: true }",
    ],
)
def test_what_triton_serves_is_accepted(text: str) -> None:
    check_config(config_of(text))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "dynamic_batching { preferred_batch_size: [ 5 ] }",
            "dynamic batching preferred size must be <= max batch size for m",
        ),
        ("dynamic_batching { preferred_batch_size: [ 0 ] }", "dynamic batching preferred size must be positive for m"),
        ("dynamic_batching { priority_levels: 3 }", "default priority level must be in range [1, 3] for m"),
        (
            "dynamic_batching { priority_levels: 3 default_priority_level: 4 }",
            "default priority level must be in range [1, 3] for m",
        ),
        (
            PRIORITIES + " priority_queue_policy { key: 3 value { } } }",
            "priority queue policy must have priority level in range [1, 2] for m",
        ),
        (
            ORDERED + " priority_levels: 2 default_priority_level: 1 }",
            "Only one priority level is allowed when 'preserve_ordering' is true for m",
        ),
        (
            ORDERED + f" default_queue_policy {DELAY} }}",
            "Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true for m",
        ),
        (
            PRIORITIES.replace("2", "1")
            + f" preserve_ordering: true priority_queue_policy {{ key: 1 value {DELAY} }} }}",
            "Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true for m",
        ),
        (
            "model_transaction_policy { decoupled: true } response_cache { enable: true }",
            "Response Cache does not currently support model m with 'decoupled' transaction policy. Please disable the "
            "response cache.",
        ),
        (
            "ensemble_scheduling { step { } }",
            "ensemble scheduling cannot be set for model 'm' whose platform is not ensemble",
        ),
    ],
)
def test_what_no_scheduler_can_do_is_refused_in_tritons_words(text: str, why: str) -> None:
    assert refused(text) == why


@pytest.mark.parametrize(
    ("control", "why"),
    [
        ("", "metric control must specify 'metric_identifier'"),
        ("metric_identifier { }", "metric identifier must specify non-empty 'family'"),
        ("metric_identifier { family: 'f' }", "metric control must specify 'histogram_options'"),
        (
            "metric_identifier { family: 'f' } histogram_options { }",
            "histogram options must specify non-empty 'buckets'",
        ),
        (
            "metric_identifier { family: 'f' } histogram_options { buckets: [ 1, 1 ] }",
            "histogram options must specify finite 'buckets' in ascending order",
        ),
        (
            "metric_identifier { family: 'f' } histogram_options { buckets: [ 1, inf ] }",
            "histogram options must specify finite 'buckets' in ascending order",
        ),
    ],
)
def test_metrics_of_a_models_own_need_a_family_and_buckets(control: str, why: str) -> None:
    assert refused(f"model_metrics {{ metric_control {{ {control} }} }}") == why


def test_metrics_of_a_models_own_are_accepted() -> None:
    control = "metric_identifier { family: 'f' } histogram_options { buckets: [ -5.0, -2, 0, 3.5 ] }"
    check_config(config_of(f"model_metrics {{ metric_control {{ {control} }} }}"))


def test_a_negative_batch_size_is_refused() -> None:
    assert refused("", max_batch_size=-1) == "'max_batch_size' must be non-negative value for m"


def test_an_ensemble_needs_its_steps() -> None:
    config = parse_text("name: 'e' platform: 'ensemble' version_policy { all { } }")
    assert refusal(check_config, config) == (
        "ensemble scheduling must be set for ensemble e whose platform is ensemble"
    )


def test_what_is_not_normalised_is_refused() -> None:
    assert refusal(check_config, parse_text("backend: 'python'")) == "model configuration must specify 'name'"
    assert refusal(check_config, parse_text("name: 'm' backend: 'python'")) == "must specify 'version policy' for m"


def test_a_model_is_called_as_its_folder_is() -> None:
    check_name(config_of(), "m")
    assert refusal(check_name, config_of(), "n") == (
        "unexpected directory name 'n' for model 'm', directory name must equal model name"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('model_repository_agents { agents { name: "checksum" } }', "agents are not supported: m asks for 'checksum'"),
        ("sequence_batching { iterative_sequence: true }", "iterative sequences are not supported"),
    ],
)
def test_what_would_be_served_otherwise_than_asked_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_config(config_of(text))
