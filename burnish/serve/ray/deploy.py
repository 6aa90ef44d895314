"""A repository put on a Ray cluster, or the next state of one that is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from burnish.serve.app.options import ServeOptions

NAME = "burnish"
_GATE_REQUESTS, _REPLICA_REQUESTS = 1000, 1000  # under way in one; more wait in the gates


@dataclass(frozen=True)
class RayOptions:
    """address        of the cluster: `auto` is the one that runs on this machine
    replicas       the fewest
    max_replicas   the most; the same number means no autoscaling
    requests       under way per replica on average, queued or running, above which there will be more replicas
    cores          that a replica reserves
    shrink_s       how long there must be less to do before a replica goes
    proxies        EveryNode, or HeadOnly where all clients come by the head node
    """

    address: str = "auto"
    replicas: int = 2
    max_replicas: int = 2
    requests: float = 16.0
    cores: float = 1.0
    shrink_s: float = 300.0
    proxies: str = "EveryNode"


def deploy(options: ServeOptions, ray_options: RayOptions) -> None:
    """Connect, replace replicas one after another, and return once the new ones answer. It stays when we end.

    raises: RuntimeError with Ray's reason if the replicas cannot start
    """
    import ray
    from ray import serve

    if not ray.is_initialized():
        ray.init(address=ray_options.address, log_to_driver=False, logging_level="warning")
    serve.start(
        proxy_location=ray_options.proxies,
        http_options={"host": options.host, "port": options.http_port or 0},
        grpc_options=None,
    )
    nodes = sum(node["Alive"] for node in ray.nodes())
    try:
        serve.run(application(options, ray_options, nodes), name=NAME, route_prefix="/")
    except RuntimeError as error:
        states = serve.status().applications[NAME].deployments.values()
        raise RuntimeError("\n".join(state.message for state in states if state.message) or str(error)) from None


def application(options: ServeOptions, ray_options: RayOptions, nodes: int) -> Any:
    """What Ray Serve runs: the gates, bound to the replicas.

    There is a gate on each node. Ray's proxies prefer the one beside them, so a gate is lost only with the proxy that
    leads to it.
    """
    from ray import serve

    from burnish.serve.ray.gate import Gate
    from burnish.serve.ray.replica import Replica

    if ray_options.max_replicas > ray_options.replicas:
        number: dict[str, Any] = {
            "autoscaling_config": {
                "min_replicas": ray_options.replicas,
                "max_replicas": ray_options.max_replicas,
                "target_ongoing_requests": ray_options.requests,
                "upscale_delay_s": 5.0,
                "downscale_delay_s": ray_options.shrink_s,
                "metrics_interval_s": 1.0,
                "look_back_period_s": 5.0,
            }
        }
    else:
        number = {"num_replicas": ray_options.replicas}
    replicas = serve.deployment(
        Replica,
        name="models",
        ray_actor_options={"num_cpus": ray_options.cores},
        max_ongoing_requests=_REPLICA_REQUESTS,
        graceful_shutdown_timeout_s=options.drain_s,
        health_check_period_s=2.0,
        **number,
    ).bind(options)
    return serve.deployment(
        Gate,
        name="gate",
        num_replicas=nodes,
        max_replicas_per_node=1,
        ray_actor_options={"num_cpus": 0},
        max_ongoing_requests=_GATE_REQUESTS,
        graceful_shutdown_timeout_s=options.drain_s,
        health_check_period_s=2.0,
    ).bind(replicas)
