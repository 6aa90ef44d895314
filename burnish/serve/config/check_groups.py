"""Instance groups, once kinds and counts are filled in."""

from __future__ import annotations

import re
from collections.abc import Collection

from burnish.serve.config.backends import TENSORRT
from burnish.serve.config.refusal import ConfigError
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.status import Code

Group = pb.ModelInstanceGroup


def check_groups(config: pb.ModelConfig, gpus: Collection[int] = ()) -> None:
    """`gpus` are the numbers of those that this machine has."""
    if config.HasField("ensemble_scheduling"):
        return
    if not config.instance_group:
        raise ConfigError(f"must specify one or more 'instance group's for {config.name}")
    for group in config.instance_group:
        start = f"instance group {group.name} of model {config.name}"
        if group.kind == Group.KIND_GPU:
            _check_gpus(group, gpus, start)
        elif group.kind in (Group.KIND_CPU, Group.KIND_MODEL):
            if group.gpus:
                kind = Group.Kind.Name(group.kind)
                raise ConfigError(f"{start} has kind {kind} but specifies one or more GPUs")
        else:
            named = Group.Kind.DESCRIPTOR.values_by_number.get(group.kind)
            kind = named.name if named is not None else str(group.kind)
            raise ConfigError(f"{start} has unexpected kind {kind}", code=Code.INTERNAL)
        _check_profiles(group, config, start)


def _check_gpus(group: pb.ModelInstanceGroup, gpus: Collection[int], start: str) -> None:
    if not group.gpus:
        lack = "specifies no GPUs" if gpus else "no GPUs are available"
        raise ConfigError(f"{start} has kind KIND_GPU but {lack}")
    for number in group.gpus:
        if number not in gpus:
            present = ", ".join(map(str, sorted(gpus)))
            sentence = f"{start} specifies invalid or unsupported gpu id {number}"
            capable = "GPUs with at least the minimum required CUDA compute compatibility are"
            raise ConfigError(f"{sentence}. {capable}: {present or 'none'}")


def _check_profiles(group: pb.ModelInstanceGroup, config: pb.ModelConfig, start: str) -> None:
    start = f"{start} and platform {config.platform}"
    if group.profile and config.backend != TENSORRT:
        raise ConfigError(f"{start}specifies profile field which is only supported for TensorRT models")
    for profile in group.profile:
        if not profile:
            raise ConfigError("profile name must not be empty")
        if re.match(r"\s*[+-]?[0-9]", profile) is None:
            raise ConfigError(f"unable to parse '{profile}': stoi")
        if profile.strip().startswith("-"):
            raise ConfigError(
                f"{start} specifies invalid profile {profile}. The field should contain the string representation of "
                "a non-negative integer."
            )
