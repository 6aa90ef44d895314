from __future__ import annotations

import pytest

from burnish.serve.config.check_groups import check_groups
from burnish.serve.config.normalise import normalise_groups
from tests.serve.config.configs import config_of, ensemble_of, refusal

CAPABLE = "GPUs with at least the minimum required CUDA compute compatibility are"


def groups(text: str, gpus: tuple[int, ...] = (), **fields: str):
    config = config_of(text, **fields)
    normalise_groups(config, gpus)
    return config, gpus


@pytest.mark.parametrize(
    ("text", "gpus", "why"),
    [
        ("{ kind: KIND_GPU }", (), "has kind KIND_GPU but no GPUs are available"),
        ("{ kind: KIND_CPU gpus: 0 }", (0,), "has kind KIND_CPU but specifies one or more GPUs"),
        ("{ kind: KIND_MODEL gpus: 0 }", (0,), "has kind KIND_MODEL but specifies one or more GPUs"),
        ("{ kind: KIND_GPU gpus: 7 }", (0, 1), f"specifies invalid or unsupported gpu id 7. {CAPABLE}: 0, 1"),
        ("{ kind: KIND_GPU gpus: -1 }", (), f"specifies invalid or unsupported gpu id -1. {CAPABLE}: none"),
        ("{ kind: 9 }", (), "has unexpected kind 9"),
        ("{ profile: '0' }", (), "and platform specifies profile field which is only supported for TensorRT models"),
    ],
)
def test_groups_that_no_device_can_hold_are_refused(text: str, gpus: tuple[int, ...], why: str) -> None:
    message = refusal(check_groups, *groups(f"instance_group {text}", gpus))
    assert " ".join(message.split()) == f"instance group m_0 of model m {why}"


@pytest.mark.parametrize(
    ("profile", "why"),
    [
        ("", "profile name must not be empty"),
        ("one", "unable to parse 'one': stoi"),
        (
            "-1",
            "invalid profile -1. The field should contain the string representation of a non-negative integer.",
        ),
    ],
)
def test_a_profile_is_a_number(profile: str, why: str) -> None:
    given = groups(f"instance_group {{ profile: '{profile}' }}", backend="tensorrt", platform="tensorrt_plan")
    assert refusal(check_groups, *given).endswith(why)


def test_a_model_without_a_group_is_refused() -> None:
    assert refusal(check_groups, config_of()) == "must specify one or more 'instance group's for m"


def test_a_gpu_group_that_lost_its_gpus_is_refused() -> None:
    config, _ = groups("instance_group { kind: KIND_GPU }")
    assert refusal(check_groups, config, (0,)).endswith("has kind KIND_GPU but specifies no GPUs")


def test_groups_on_devices_that_there_are_are_accepted() -> None:
    check_groups(*groups("instance_group [ { kind: KIND_GPU gpus: 1 }, { kind: KIND_CPU }, { } ]", (0, 1)))
    check_groups(*groups("instance_group { profile: '0' }", backend="tensorrt", platform="tensorrt_plan"))
    check_groups(ensemble_of("a(A=X) -> (B=Z)"))
