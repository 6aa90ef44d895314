"""The schemas fit what the routes answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from burnish.serve.http.openapi.schemas import SCHEMAS
from tests.serve.http.asking import ask

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}


def check(value: Any, schema: dict[str, Any]) -> None:
    """The part of JSON Schema that the document uses."""
    if "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        assert value in schema["enum"]
    kinds = schema.get("type", list(TYPES))
    kinds = kinds if isinstance(kinds, list) else [kinds]
    assert value is None if kinds == ["null"] else isinstance(value, tuple(TYPES[k] for k in kinds if k != "null"))
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        assert set(schema.get("required", [])) <= set(value)
        for key, inner in value.items():
            if key in properties:
                check(inner, properties[key])
            elif isinstance(schema.get("additionalProperties"), dict):
                check(inner, schema["additionalProperties"])
    if isinstance(value, list) and "items" in schema:
        for inner in value:
            check(inner, schema["items"])


INFER = {"id": "q", "inputs": [{"name": "IN", "datatype": "FP32", "shape": [1], "data": [1.5]}], "parameters": {"a": 1}}


@pytest.mark.parametrize(
    ("method", "path", "body", "schema"),
    [
        ("GET", "/v2", None, "ServerMetadata"),
        ("GET", "/v2/models/addsub", None, "ModelMetadata"),
        ("GET", "/v2/models/addsub/config", None, "ModelConfig"),
        ("POST", "/v2/models/identity/infer", INFER, "InferResponse"),
        ("POST", "/v2/models/identity/generate", {"IN": 1}, "GenerateResponse"),
        ("POST", "/v2/repository/index", {"ready": False}, "RepositoryIndex"),
        ("GET", "/v2/trace/setting", None, "TraceSetting"),
        ("GET", "/v2/logging", None, "LogSetting"),
        ("GET", "/v2/cudasharedmemory/status", None, "CudaRegions"),
        ("GET", "/v2/models/nosuch", None, "Error"),
    ],
)
def test_answers_are_as_described(method: str, path: str, body: Any, schema: str) -> None:
    answer = ask(method, path, body if body is not None else b"")
    check(json.loads(answer.body), {"$ref": f"#/components/schemas/{schema}"})


def test_requests_are_as_described() -> None:
    check(INFER, SCHEMAS["InferRequest"])
    with pytest.raises(AssertionError):
        check({"inputs": [{"name": "IN"}]}, SCHEMAS["InferRequest"])
