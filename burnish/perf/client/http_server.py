"""What is asked of a server once, over HTTP: metadata, configuration, statistics, shared memory, one trial request."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from burnish.errors import EnvironmentProblem, UserError
from burnish.perf.client.endpoint import Endpoint


class HttpServer:
    """Each call opens a connection of its own: there are few calls, and they must not disturb the measurement."""

    def __init__(self, endpoint: Endpoint, headers: Mapping[str, str], timeout_s: float) -> None:
        self.endpoint, self._headers, self._timeout_s = endpoint, dict(headers), timeout_s

    def identity(self) -> dict[str, Any]:
        """The server's name and version. {} if it does not say."""
        return self._found("v2") or {}

    def metadata(self, model: str, version: str) -> dict[str, Any]:
        """E684 if the server does not have the model."""
        status, text = self._ask("GET", _path(model, version))
        found = _object(text)
        if status != 200 or found is None:
            raise no_model(self.endpoint, model, f"{status}: {(found or {}).get('error', text[:200])}")
        return found

    def config(self, model: str, version: str) -> dict[str, Any] | None:
        """None if the server does not have this extension."""
        return self._found(f"{_path(model, version)}/config")

    def statistics(self) -> list[dict[str, Any]] | None:
        """Of every model and version. None if the server does not have this extension."""
        found = self._found("v2/models/stats")
        return None if found is None else list(found.get("model_stats", []))

    def register_memory(self, name: str, key: str, size_bytes: int) -> None:
        """Let the server read and write this region of system shared memory. E686 if it refuses."""
        body = json.dumps({"key": key, "offset": 0, "byte_size": size_bytes}).encode()
        status, text = self._ask("POST", f"v2/systemsharedmemory/region/{name}/register", body)
        if status != 200:
            raise no_memory(f"{status}: {(_object(text) or {}).get('error', text[:200])}")

    def unregister_memory(self, name: str) -> None:
        self._ask("POST", f"v2/systemsharedmemory/region/{name}/unregister", b"{}")

    def _found(self, path: str) -> dict[str, Any] | None:
        status, text = self._ask("GET", path)
        return _object(text) if status == 200 else None

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
        """E685 if nobody answers."""
        at = self.endpoint
        context = at.context()
        connection = (
            http.client.HTTPSConnection(at.host, at.port, timeout=self._timeout_s, context=context)
            if context
            else http.client.HTTPConnection(at.host, at.port, timeout=self._timeout_s)
        )
        try:
            connection.request(method, f"{at.path}/{path}", body, self._headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise unreachable(at, str(error) or type(error).__name__) from None
        finally:
            connection.close()


def unreachable(endpoint: Endpoint, why: str) -> EnvironmentProblem:
    """The error for a server that does not answer."""
    return EnvironmentProblem(
        "E685",
        f"no {endpoint.protocol} server answers at {endpoint.authority}",
        why=why,
        hint="start it, or name its address: --url host:port (usual ports: 8000 for http, 8001 for grpc)",
    )


def no_model(endpoint: Endpoint, model: str, why: str) -> UserError:
    """The error for a model that cannot be asked."""
    return UserError(
        "E684",
        f"the server at {endpoint.authority} has no model '{model}' that is ready",
        why=why,
        hint="the repository's index lists the models: POST /v2/repository/index",
    )


def no_memory(why: str) -> UserError:
    """The error for a server that takes no shared memory."""
    return UserError(
        "E686",
        "the server does not take shared memory",
        why=why,
        hint="it must run on this machine, share /dev/shm and allow it; else --shared-memory none",
    )


def _path(model: str, version: str) -> str:
    return f"v2/models/{quote(model, safe='')}" + (f"/versions/{quote(version, safe='')}" if version else "")


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
