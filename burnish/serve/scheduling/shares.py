"""What a configuration says of resources, as `SharedTurns` needs it."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.serve.proto.model_config_pb2 import ModelConfig, ModelInstanceGroup
from burnish.serve.scheduling import Instance
from burnish.serve.scheduling.turns import GLOBAL, Needs


def instance_needs(config: ModelConfig, instances: Sequence[Instance]) -> dict[str, Needs]:
    """What each instance holds while it runs. Instances stand in the order of groups, then devices, then counts."""
    places = [
        (group, device)
        for group in config.instance_group
        for device in (group.gpus if group.kind == ModelInstanceGroup.KIND_GPU and group.gpus else (0,))
        for _ in range(max(1, group.count))
    ]
    return {instance.name: _needs(group, device) for instance, (group, device) in zip(instances, places)}


def _needs(group: ModelInstanceGroup, device: int) -> Needs:
    limiter = group.rate_limiter
    resources = {(r.name, GLOBAL if getattr(r, "global") else device): r.count for r in limiter.resources}
    return Needs(resources, max(1, limiter.priority))
