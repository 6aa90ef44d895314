"""The schemas of Kubernetes objects: its own from kubernetes-validate, those of its extensions from crds/.

Both refuse unknown fields, which Kubernetes itself would drop without a word.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("kubernetes_validate", reason="the manifests' schemas come with the package kubernetes-validate")
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

VERSION = "1.37.0"
CRDS = Path(__file__).parent / "crds"
DEFINITIONS = "https://kubernetes.io/api/_definitions.json"
KINDS = {  # what an object's apiVersion and kind are in the definitions
    ("v1", "Service"): "core.v1.Service",
    ("v1", "PersistentVolumeClaim"): "core.v1.PersistentVolumeClaim",
    ("apps/v1", "Deployment"): "apps.v1.Deployment",
    ("autoscaling/v2", "HorizontalPodAutoscaler"): "autoscaling.v2.HorizontalPodAutoscaler",
    ("policy/v1", "PodDisruptionBudget"): "policy.v1.PodDisruptionBudget",
}


@cache
def _registry() -> Registry:
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{VERSION}-local-strict"
    definitions = json.loads((folder / "_definitions.json").read_text(encoding="utf-8"))
    assert definitions["$id"] == DEFINITIONS
    return Registry().with_resource(DEFINITIONS, Resource.from_contents(definitions))


@cache
def _extensions() -> dict[tuple[str, str], dict[str, Any]]:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(CRDS.glob("*.json"))]
    return {(s["properties"]["apiVersion"]["const"], s["properties"]["kind"]["const"]): s for s in found}


def faults(document: dict[str, Any]) -> list[str]:
    """What is wrong with an object, a line each; KeyError for a kind without a schema."""
    key = document["apiVersion"], document["kind"]
    schema = _extensions().get(key) or {"$ref": f"{DEFINITIONS}#/$defs/io.k8s.api.{KINDS[key]}"}
    validator = Draft202012Validator(schema, registry=_registry())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]
