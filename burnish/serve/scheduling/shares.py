"""What a configuration says of resources, as `SharedTurns` needs it."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.serve.proto.model_config_pb2 import ModelConfig, ModelInstanceGroup
from burnish.serve.scheduling import Instance
from burnish.serve.scheduling.turns import GLOBAL, Needs, ResourceName


def instance_needs(config: ModelConfig, instances: Sequence[Instance], is_limited: bool = True) -> dict[str, Needs]:
    """What each instance holds while it runs. Instances stand in the order of groups, then devices, then counts.

    is_limited: whether the rate limiter is on; if not, no resources and priorities count
    """
    places = [
        (group, device)
        for group in (config.instance_group if is_limited else ())
        for device in (group.gpus if group.kind == ModelInstanceGroup.KIND_GPU and group.gpus else (0,))
        for _ in range(max(1, group.count))
    ]
    found = {}
    for place, instance in enumerate(instances):
        resources: dict[ResourceName, int] = {}
        priority = 1
        if place < len(places):
            group, device = places[place]
            priority = max(1, group.rate_limiter.priority)
            for entry in group.rate_limiter.resources:
                resources[entry.name, GLOBAL if getattr(entry, "global") else device] = entry.count
        found[instance.name] = Needs(resources, priority)
    return found
