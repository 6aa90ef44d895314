from __future__ import annotations

import pytest

from burnish.serve.config.normalise import normalise, normalise_groups
from burnish.serve.config.parse_text import parse_text
from burnish.serve.proto import model_config_pb2 as pb
from tests.serve.config.configs import config_of, ensemble_of

Group = pb.ModelInstanceGroup


def test_one_latest_version_and_pinned_memory_are_the_defaults() -> None:
    config = config_of()
    assert config.version_policy.latest.num_versions == 1
    assert config.optimization.input_pinned_memory.enable
    assert config.optimization.output_pinned_memory.enable
    assert not config.HasField("dynamic_batching")


def test_what_is_given_stays() -> None:
    text = """version_policy { all { } } optimization { input_pinned_memory { enable: false } }
    dynamic_batching { preferred_batch_size: 2 }"""
    config = config_of(text)
    assert config.version_policy.HasField("all")
    assert not config.optimization.input_pinned_memory.enable
    assert list(config.dynamic_batching.preferred_batch_size) == [2]


def test_the_largest_batch_is_preferred_where_none_is_named() -> None:
    assert list(config_of("dynamic_batching { }").dynamic_batching.preferred_batch_size) == [4]
    assert list(config_of("sequence_batching { oldest { } }").sequence_batching.oldest.preferred_batch_size) == [4]
    unbatched = parse_text("dynamic_batching { }")
    normalise(unbatched)
    assert list(unbatched.dynamic_batching.preferred_batch_size) == []


def test_a_sequence_is_idle_for_a_second_at_most() -> None:
    assert config_of("sequence_batching { }").sequence_batching.max_sequence_idle_microseconds == 1_000_000
    given = config_of("sequence_batching { max_sequence_idle_microseconds: 5 }")
    assert given.sequence_batching.max_sequence_idle_microseconds == 5


def test_an_ensemble_gets_neither_memory_options_nor_groups() -> None:
    config = ensemble_of("a(A=X) -> (B=Z)")
    normalise_groups(config, gpus=(0,))
    assert not config.HasField("optimization")
    assert not config.instance_group


def test_normalising_twice_changes_nothing() -> None:
    config = config_of("dynamic_batching { } instance_group { } instance_group { count: 3 }")
    normalise_groups(config, gpus=(1, 0))
    again = pb.ModelConfig()
    again.CopyFrom(config)
    normalise(again)
    normalise_groups(again, gpus=(1, 0))
    assert again == config


@pytest.mark.parametrize(
    ("text", "gpus", "preferred", "expected"),
    [
        ("backend: 'python'", (0,), Group.KIND_AUTO, [("m", "KIND_CPU", 1, [])]),
        ("backend: 'burnish'", (), Group.KIND_AUTO, [("m", "KIND_CPU", 1, [])]),
        ("backend: 'burnish'", (1, 0), Group.KIND_AUTO, [("m", "KIND_GPU", 1, [0, 1])]),
        ("backend: 'burnish'", (0,), Group.KIND_CPU, [("m", "KIND_CPU", 1, [])]),
        ("backend: 'burnish'", (), Group.KIND_GPU, [("m", "KIND_CPU", 1, [])]),
        ("backend: 'onnxruntime'", (), Group.KIND_AUTO, [("m", "KIND_CPU", 2, [])]),
        ("backend: 'onnxruntime'", (0,), Group.KIND_AUTO, [("m", "KIND_GPU", 1, [0])]),
        (
            "instance_group [ { count: -1 kind: KIND_CPU }, { name: 'n' count: 3 } ]",
            (),
            Group.KIND_AUTO,
            [("m_0", "KIND_CPU", 1, []), ("n", "KIND_CPU", 3, [])],
        ),
        ("instance_group { gpus: [ 7 ] }", (0,), Group.KIND_AUTO, [("m_0", "KIND_CPU", 1, [7])]),
        ("instance_group { kind: KIND_GPU }", (), Group.KIND_AUTO, [("m_0", "KIND_GPU", 1, [])]),
        ("instance_group { kind: KIND_MODEL }", (0,), Group.KIND_AUTO, [("m_0", "KIND_MODEL", 1, [])]),
    ],
)
def test_instance_groups_get_names_kinds_counts_and_gpus(text, gpus, preferred, expected) -> None:
    config = parse_text(f"name: 'm' {text}")
    normalise_groups(config, gpus, preferred)
    assert [(g.name, Group.Kind.Name(g.kind), g.count, list(g.gpus)) for g in config.instance_group] == expected
