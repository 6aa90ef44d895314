"""`burnish serve --ray`: a repository on a Ray cluster."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.cli.output import note
from burnish.cli.serve.read_options import read_options
from burnish.errors import EnvironmentProblem, UserError

if TYPE_CHECKING:
    from burnish.serve.ray.deploy import RayOptions

_PATIENCE_S = 5.0
_REFUSED = {  # what has no meaning there, with what to do instead
    "tls_cert": ("--tls-cert", "end TLS at the load balancer before the cluster's proxies"),
    "grpc_port": ("--grpc-port", "ask over HTTP, or serve with `burnish serve` behind a load balancer for gRPC"),
    "metrics_port": ("--metrics-port", "Ray's own metrics tell of requests, replicas and latencies"),
    "shared_memory": ("--shared-memory", "clients and replicas need not be on one machine: send tensors in requests"),
}
_NOT_GIVEN = {"grpc_port": ("8001", "off"), "metrics_port": ("8002", "off")}  # the defaults, or what is true anyway


def serve_on_ray(places: Sequence[Path], given: Mapping[str, Any]) -> None:
    """Returns once the replicas answer; they stay.

    raises: E642 what does not go with --ray, E643 a model cannot be loaded, E644 no package, E851 no cluster
    """
    ray_options = read_ray_options(given)
    for place in places:
        if place.is_file():
            raise UserError("E642", f"--ray serves repositories, not the file {place}", hint="make a repository of it")
    for name, (option, hint) in _REFUSED.items():
        if given[name] not in _NOT_GIVEN.get(name, (None, False)):
            raise UserError("E642", f"{option} does not go with --ray", hint=hint)
    if given["control"] == "explicit":
        raise UserError(
            "E642",
            "--control explicit does not go with --ray",
            why="a request to load or unload would reach one replica alone",
            hint="change the repository and run the command again, or use --control poll",
        )
    if given["http_port"] in ("0", "off"):
        raise UserError("E642", "--ray needs an --http-port", why="it must be the same on all nodes")
    try:
        import ray.serve  # noqa: F401
    except ImportError:
        raise EnvironmentProblem("E644", "--ray needs the package ray", hint="pip install 'burnish[ray]'") from None
    from burnish.serve.app.model_files import repositories_of
    from burnish.serve.ray.deploy import deploy

    with repositories_of(places) as repositories:
        absolute = tuple(place.absolute() for place in repositories)
        options = read_options({**given, "grpc_port": "off", "metrics_port": "off"}, absolute)
        try:
            _reach(ray_options.address)
            deploy(options, ray_options)
        except ConnectionError as error:
            raise EnvironmentProblem(
                "E851",
                f"there is no Ray cluster at '{ray_options.address}'",
                why=str(error).partition("\n")[0],
                hint="start one with `ray start --head`, or name another address",
            ) from None
        except RuntimeError as error:
            raise UserError("E643", "the repository cannot be deployed", why=str(error), hint="mend it") from None
    most = f" to {ray_options.max_replicas}" if ray_options.max_replicas > ray_options.replicas else ""
    note(f"HTTP    http://{options.host}:{options.http_port} on each node, {ray_options.replicas}{most} replicas")


def _reach(address: str) -> None:
    """ConnectionError if nobody listens at HOST:PORT, which Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "//" in address:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_S).close()
    except (OSError, ValueError) as error:
        raise ConnectionError(str(error)) from None


def read_ray_options(given: Mapping[str, Any]) -> RayOptions:
    from burnish.serve.ray.deploy import RayOptions

    least, colon, most = str(given["replicas"]).partition(":")
    numbers = [least, most] if colon else [least, least]
    if not all(n.isascii() and n.isdecimal() for n in numbers) or not 1 <= int(numbers[0]) <= int(numbers[1]):
        raise UserError("E642", f"--replicas does not take '{given['replicas']}'", why="it takes 2, or 2:8 for a range")
    return RayOptions(
        str(given["ray"]),
        int(numbers[0]),
        int(numbers[1]),
        float(given["replica_requests"]),
        float(given["replica_cores"]),
    )
