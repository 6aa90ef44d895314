"""The OpenAPI 3.1 document of the HTTP interface, as bytes of JSON."""

from __future__ import annotations

from typing import Any

import orjson

from burnish.serve.http.openapi.schemas import RESPONSES, SCHEMAS

_VERSIONED = "/versions/{version}"
_MODEL = "/v2/models/{model}"


def openapi_document(name: str, version: str) -> bytes:
    paths: dict[str, Any] = {}
    for path, method, operation in _operations():
        for real in (path, path.replace(_MODEL, _MODEL + _VERSIONED)) if _is_versioned(path) else (path,):
            suffix = "OfVersion" if real != path else ""
            paths.setdefault(real, {})[method] = operation | {
                "operationId": operation["operationId"] + suffix,
                "parameters": _path_parameters(real) + operation.get("parameters", []),
            }
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "jsonSchemaDialect": "https://spec.openapis.org/oas/3.1/dialect/base",
            "info": {
                "title": f"{name}: model server",
                "version": version or "0",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
                "description": (
                    "The open inference protocol, version 2, with Triton's extensions. A 500 is also the answer to a "
                    "body that is no JSON or has members of the wrong type: so does Triton."
                ),
            },
            "servers": [{"url": "/"}],
            "tags": [{"name": tag, "description": text} for tag, text in _TAGS.items()],
            "paths": paths,
            "components": {"schemas": SCHEMAS, "responses": RESPONSES, "parameters": _PARAMETERS},
        }
    )


_TAGS = {
    "health": "whether the server and its models can answer",
    "inference": "run a model",
    "models": "what a model takes and gives, how it is configured, what it has done",
    "repository": "load and unload models",
    "shared memory": "tensors that do not travel over the connection",
    "settings": "traces and logs",
    "server": "the server itself",
}

_PARAMETERS: dict[str, Any] = {
    "model": {"name": "model", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[^/]+$"}},
    "version": {"name": "version", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}},
    "repository": {"name": "repository", "in": "path", "required": True, "schema": {"type": "string"}},
    "region": {"name": "region", "in": "path", "required": True, "schema": {"type": "string"}},
    "header_bytes": {
        "name": "Inference-Header-Content-Length",
        "in": "header",
        "required": False,
        "description": "how many bytes of the body are JSON; tensors follow. 0: the body is one tensor",
        "schema": {"type": "integer", "minimum": 0},
    },
    "content_encoding": {
        "name": "Content-Encoding",
        "in": "header",
        "required": False,
        "schema": {"type": "string", "enum": ["identity", "gzip", "deflate"]},
    },
}


def _operations() -> list[tuple[str, str, dict[str, Any]]]:
    trace = "/v2/trace/setting"
    model_trace = f"{_MODEL}/trace/setting"
    return [
        ("/v2/health/live", "get", _get("isLive", "health", "Is the server there?", _empty(), 400)),
        ("/v2/health/ready", "get", _get("isReady", "health", "Can the server answer?", _empty(), 400)),
        (f"{_MODEL}/ready", "get", _get("isModelReady", "health", "Can this model answer?", _empty(), 400)),
        ("/v2", "get", _get("serverMetadata", "server", "Name, version, extensions", _json("ServerMetadata"))),
        (_MODEL, "get", _get("modelMetadata", "models", "Inputs and outputs", _json("ModelMetadata"), 404)),
        (f"{_MODEL}/config", "get", _get("modelConfig", "models", "The configuration", _json("ModelConfig"), 404)),
        (
            f"{_MODEL}/stats",
            "get",
            _get("modelStatistics", "models", "What it has done", _json("Statistics"), 400),
        ),
        ("/v2/models/stats", "get", _get("statistics", "models", "What all models have done", _json("Statistics"))),
        (f"{_MODEL}/infer", "post", _infer()),
        (f"{_MODEL}/generate", "post", _generate("generate", _json("GenerateResponse"))),
        (f"{_MODEL}/generate_stream", "post", _generate("generateStream", _events())),
        *_repository_operations(),
        *_shared_memory_operations(),
        (trace, "get", _get("traceSetting", "settings", "What is traced", _json("TraceSetting"))),
        (trace, "post", _post("setTrace", "settings", "Change what is traced", _json("TraceSetting"), "TraceSetting")),
        (model_trace, "get", _get("modelTraceSetting", "settings", "What is traced", _json("TraceSetting"), 400)),
        (
            model_trace,
            "post",
            _post("setModelTrace", "settings", "Change what is traced", _json("TraceSetting"), "TraceSetting", 400),
        ),
        ("/v2/logging", "get", _get("logSetting", "settings", "What is logged", _json("LogSetting"))),
        (
            "/v2/logging",
            "post",
            _post("setLog", "settings", "Change the log", _json("LogSetting"), "LogSetting"),
        ),
        ("/openapi.json", "get", _get("openapi", "server", "This document", _json("Object"))),
        ("/docs", "get", _get("docs", "server", "This document as a page", _html())),
    ]


def _repository_operations() -> list[tuple[str, str, dict[str, Any]]]:
    found = []
    for path, suffix in (("/v2/repository", ""), ("/v2/repository/{repository}", "OfRepository")):
        index = _post(f"index{suffix}", "repository", "All models", _json("RepositoryIndex"), "IndexRequest")
        load = _post(f"load{suffix}", "repository", "Load a model, or load it anew", _empty(), "LoadRequest", 400)
        unload = _post(f"unload{suffix}", "repository", "Unload a model", _empty(), "UnloadRequest", 400)
        if suffix:
            load["responses"]["501"] = unload["responses"]["501"] = {"$ref": "#/components/responses/Error"}
        found += [
            (f"{path}/index", "post", index),
            (f"{path}/models/{{model}}/load", "post", load),
            (f"{path}/models/{{model}}/unload", "post", unload),
        ]
    return found


def _shared_memory_operations() -> list[tuple[str, str, dict[str, Any]]]:
    found = []
    for kind, request in (("system", "SystemRegion"), ("cuda", "CudaRegion")):
        base, tag, schema = f"/v2/{kind}sharedmemory", "shared memory", f"{kind.title()}Regions"
        for path, suffix in ((base, "All"), (f"{base}/region/{{region}}", "")):
            status = _get(f"{kind}Status{suffix}", tag, "Registered regions", _json(schema), 404)
            unregister = _post(f"{kind}Unregister{suffix}", tag, "Forget a region", _empty(), None)
            found += [(f"{path}/status", "get", status), (f"{path}/unregister", "post", unregister)]
        register = _post(f"{kind}Register", tag, "Make a region known", _empty(), request, 400)
        found.append((f"{base}/region/{{region}}/register", "post", register))
    return found


def _is_versioned(path: str) -> bool:
    return path.startswith(_MODEL) and "trace" not in path


def _path_parameters(path: str) -> list[dict[str, str]]:
    names = ("model", "version", "repository", "region")
    return [{"$ref": f"#/components/parameters/{name}"} for name in names if f"{{{name}}}" in path]


def _operation(id_: str, tag: str, summary: str, answer: dict[str, Any], codes: tuple[int, ...]) -> dict[str, Any]:
    errors = {str(code): {"$ref": "#/components/responses/Error"} for code in codes}
    return {
        "operationId": id_,
        "tags": [tag],
        "summary": summary,
        "responses": {"200": answer} | errors | {"default": {"$ref": "#/components/responses/Error"}},
    }


def _get(id_: str, tag: str, summary: str, answer: dict[str, Any], *codes: int) -> dict[str, Any]:
    return _operation(id_, tag, summary, answer, codes)


def _post(id_: str, tag: str, summary: str, answer: dict[str, Any], request: str | None, *codes: int) -> dict[str, Any]:
    found = _operation(id_, tag, summary, answer, codes)
    if request is not None:
        found["requestBody"] = {"required": False, "content": {"application/json": {"schema": _ref(request)}}}
    return found


def _infer() -> dict[str, Any]:
    binary = {"type": "string", "contentMediaType": "application/octet-stream"}
    answer = _json("InferResponse")
    answer["content"]["application/octet-stream"] = {"schema": binary}
    answer["headers"] = {
        "Inference-Header-Content-Length": {
            "description": "how many bytes are JSON, if tensors follow",
            "schema": {"type": "integer"},
        }
    }
    found = _operation("infer", "inference", "Run the model once", answer, (400, 404, 500, 501, 503))
    found["parameters"] = [
        {"$ref": "#/components/parameters/header_bytes"},
        {"$ref": "#/components/parameters/content_encoding"},
    ]
    found["requestBody"] = {
        "required": True,
        "content": {
            "application/json": {"schema": _ref("InferRequest")},
            "application/octet-stream": {"schema": binary},
        },
    }
    return found


def _generate(id_: str, answer: dict[str, Any]) -> dict[str, Any]:
    summary = "Inputs and parameters as plain members"
    found = _operation(id_, "inference", summary, answer, (400, 404, 500))
    found["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref("GenerateRequest")}}}
    return found


def _ref(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}


def _json(schema: str) -> dict[str, Any]:
    return {"description": "the answer", "content": {"application/json": {"schema": _ref(schema)}}}


def _events() -> dict[str, Any]:
    return {
        "description": "an event for each answer of the model; its data is a GenerateResponse, or an Error",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }


def _html() -> dict[str, Any]:
    return {"description": "a page", "content": {"text/html": {"schema": {"type": "string"}}}}


def _empty() -> dict[str, Any]:
    return {"description": "yes, without a body"}
