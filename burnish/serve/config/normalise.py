"""Fill in what a configuration leaves out, with the values that Triton's config endpoint shows."""

from __future__ import annotations

from collections.abc import Collection

from burnish.serve.config.backends import ONNX, PYTHON, TENSORFLOW
from burnish.serve.proto import model_config_pb2 as pb

Group = pb.ModelInstanceGroup
SEQUENCE_IDLE_MICROSECONDS = 1_000_000
TWO_ON_CPU = {ONNX, TENSORFLOW}  # backends that get two instances on a CPU


def normalise(config: pb.ModelConfig) -> None:
    """Everything that does not depend on the machine. A second call changes nothing."""
    if not config.HasField("version_policy"):
        config.version_policy.latest.num_versions = 1
    if config.HasField("dynamic_batching"):
        _prefer_largest(config.dynamic_batching.preferred_batch_size, config.max_batch_size)
    if config.HasField("sequence_batching"):
        sequences = config.sequence_batching
        if not sequences.max_sequence_idle_microseconds:
            sequences.max_sequence_idle_microseconds = SEQUENCE_IDLE_MICROSECONDS
        if sequences.HasField("oldest"):
            _prefer_largest(sequences.oldest.preferred_batch_size, config.max_batch_size)
    if not config.HasField("ensemble_scheduling"):
        optimization = config.optimization
        for memory in ("input_pinned_memory", "output_pinned_memory"):
            if not optimization.HasField(memory):
                getattr(optimization, memory).enable = True


def normalise_groups(config: pb.ModelConfig, gpus: Collection[int] = (), preferred: int = Group.KIND_AUTO) -> None:
    """Every instance group gets a name, a kind, a count and, on GPUs, their numbers.

    gpus       numbers of those that this machine has
    preferred  the kind of a model without groups: what its plan was built for; a Python model's is always the CPU
    """
    if config.HasField("ensemble_scheduling"):
        return
    if not config.instance_group:
        kind = Group.KIND_CPU if config.backend == PYTHON else preferred
        if kind == Group.KIND_GPU and not gpus:
            kind = Group.KIND_AUTO
        config.instance_group.add(name=config.name, kind=kind)
    for place, group in enumerate(config.instance_group):
        group.name = group.name or f"{config.name}_{place}"
        if group.kind == Group.KIND_AUTO:
            group.kind = Group.KIND_GPU if gpus and set(group.gpus) <= set(gpus) else Group.KIND_CPU
        if group.count < 1:
            group.count = 2 if group.kind == Group.KIND_CPU and config.backend in TWO_ON_CPU else 1
        if group.kind == Group.KIND_GPU and not group.gpus:
            group.gpus.extend(sorted(gpus))


def _prefer_largest(sizes: object, max_batch_size: int) -> None:
    if not sizes and max_batch_size > 0:
        sizes.append(max_batch_size)  # type: ignore[attr-defined]
