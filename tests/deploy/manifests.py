"""The objects in deploy/, read from its files."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="the manifests are YAML")

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = sorted(DEPLOY.rglob("*.yaml"))
NOT_OBJECTS = {"kustomization.yaml", "adapter-values.yaml"}  # read by kustomize and by Helm


@cache
def documents(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as stream:
        return [document for document in yaml.safe_load_all(stream) if document is not None]


def objects() -> list[dict[str, Any]]:
    return [document for path in FILES if path.name not in NOT_OBJECTS for document in documents(path)]


def one(kind: str, name: str = "burnish") -> dict[str, Any]:
    (found,) = [o for o in objects() if o["kind"] == kind and o["metadata"]["name"] == name]
    return found


def pod() -> dict[str, Any]:
    """The pods' spec of the Deployment."""
    return one("Deployment")["spec"]["template"]["spec"]


def runtime() -> dict[str, Any]:
    """That of the ServingRuntime."""
    return one("ServingRuntime")["spec"]


def flags(container: dict[str, Any]) -> dict[str, str]:
    """The options among a container's arguments, without their dashes."""
    pairs = [argument[2:].partition("=") for argument in container["args"] if argument.startswith("--")]
    return {name: value for name, _, value in pairs}
