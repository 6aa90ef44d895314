"""The schemas of what the HTTP interface takes and gives."""

from __future__ import annotations

from typing import Any

from burnish.serve.datatypes import NUMPY


def _object(required: str = "", /, **properties: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        found["required"] = required.split()
    return found


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


_TEXT, _YES, _WHOLE = {"type": "string"}, {"type": "boolean"}, {"type": "integer"}
_COUNT = {"type": "integer", "minimum": 0}
_ANYTHING: dict[str, Any] = {}
_TEXT_OR_NULL, _YES_OR_NULL = {"type": ["string", "null"]}, {"type": ["boolean", "null"]}
_SHARED = {
    "shared_memory_region": _TEXT,
    "shared_memory_offset": _COUNT,
    "shared_memory_byte_size": _COUNT,
}
_TENSOR_INFO = _object("name datatype shape", name=_TEXT, datatype=_ref("Datatype"), shape=_list(_WHOLE))
_DURATION = _object("count ns", count=_COUNT, ns=_COUNT)
_DATA = {"type": "array", "description": "elements in row-major order, nested or not"}

SCHEMAS: dict[str, Any] = {
    "Object": {"type": "object"},
    "Error": _object("error", error=_TEXT),
    "Datatype": {"type": "string", "enum": sorted(NUMPY)},
    "Parameters": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
    "ServerMetadata": _object("name version extensions", name=_TEXT, version=_TEXT, extensions=_list(_TEXT)),
    "ModelMetadata": _object(
        "name versions platform inputs outputs",
        name=_TEXT,
        versions=_list(_TEXT),
        platform=_TEXT,
        inputs=_list(_TENSOR_INFO),
        outputs=_list(_TENSOR_INFO),
    ),
    "ModelConfig": {
        "type": "object",
        "description": "inference.ModelConfig of Triton's model_config.proto",
        "properties": {"name": _TEXT, "platform": _TEXT, "backend": _TEXT, "max_batch_size": _COUNT},
    },
    "Statistics": _object("model_stats", model_stats=_list(_ref("ModelStatistics"))),
    "ModelStatistics": _object(
        "name version inference_count execution_count inference_stats",
        name=_TEXT,
        version=_TEXT,
        last_inference=_COUNT,
        inference_count=_COUNT,
        execution_count=_COUNT,
        inference_stats={"type": "object", "additionalProperties": _DURATION},
        response_stats={"type": "object"},
        batch_stats=_list({"type": "object"}),
        memory_usage=_list({"type": "object"}),
    ),
    "InferRequest": _object(
        "inputs",
        id=_TEXT,
        parameters={
            "type": "object",
            "properties": {
                "sequence_id": {"type": ["integer", "string"]},
                "sequence_start": _YES,
                "sequence_end": _YES,
                "priority": _COUNT,
                "timeout": {"type": "integer", "minimum": 0, "description": "microseconds"},
                "binary_data_output": _YES,
            },
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        },
        inputs=_list(_ref("RequestInput")),
        outputs=_list(_ref("RequestOutput")),
    ),
    "RequestInput": _object(
        "name datatype shape",
        name=_TEXT,
        datatype=_ref("Datatype"),
        shape=_list(_COUNT),
        data=_DATA,
        parameters=_object(binary_data_size=_COUNT, **_SHARED),
    ),
    "RequestOutput": _object(
        "name",
        name=_TEXT,
        parameters=_object(binary_data=_YES, classification=_COUNT, **_SHARED),
    ),
    "InferResponse": _object(
        "model_name model_version outputs",
        id=_TEXT,
        model_name=_TEXT,
        model_version=_TEXT,
        parameters=_ref("Parameters"),
        outputs=_list(_ref("ResponseOutput")),
    ),
    "ResponseOutput": _object(
        "name datatype shape",
        name=_TEXT,
        datatype=_ref("Datatype"),
        shape=_list(_COUNT),
        data=_DATA,
        parameters=_object(binary_data_size=_COUNT),
    ),
    "GenerateRequest": {
        "type": "object",
        "description": "a member named like an input is that input, any other a parameter of the request",
        "properties": {"id": _TEXT, "parameters": {"type": "object"}},
        "additionalProperties": _ANYTHING,
    },
    "GenerateResponse": {
        "type": "object",
        "description": "a member for each output and parameter; an output of one element is that element",
        "properties": {"id": _TEXT, "model_name": _TEXT, "model_version": _TEXT, "error": _TEXT},
        "additionalProperties": _ANYTHING,
    },
    "IndexRequest": _object(ready=_YES),
    "RepositoryIndex": _list(_object("name", name=_TEXT, version=_TEXT, state=_TEXT, reason=_TEXT)),
    "LoadRequest": _object(
        parameters={
            "type": "object",
            "description": "config: a configuration as JSON text. file:PATH: a file's content in base64",
            "properties": {"config": _TEXT},
            "patternProperties": {"^file:": {"type": "string", "contentEncoding": "base64"}},
            "additionalProperties": False,
        }
    ),
    "UnloadRequest": _object(parameters=_object(unload_dependents=_YES)),
    "SystemRegion": _object("key byte_size", key=_TEXT, offset=_COUNT, byte_size=_COUNT),
    "SystemRegions": _list(
        _object("name key offset byte_size", name=_TEXT, key=_TEXT, offset=_COUNT, byte_size=_COUNT)
    ),
    "CudaRegion": _object(
        "raw_handle byte_size device_id", raw_handle=_object("b64", b64=_TEXT), byte_size=_COUNT, device_id=_COUNT
    ),
    "CudaRegions": _list(_object("name device_id byte_size", name=_TEXT, device_id=_COUNT, byte_size=_COUNT)),
    "TraceSetting": _object(
        trace_level={"type": ["array", "null"], "items": {"enum": ["OFF", "TIMESTAMPS", "TENSORS"]}},
        trace_rate=_TEXT_OR_NULL,
        trace_count=_TEXT_OR_NULL,
        log_frequency=_TEXT_OR_NULL,
        trace_file={"type": "string", "readOnly": True},
        trace_mode={"type": "string", "readOnly": True},
    ),
    "LogSetting": _object(
        log_file={"type": "string", "readOnly": True},
        log_info=_YES_OR_NULL,
        log_warning=_YES_OR_NULL,
        log_error=_YES_OR_NULL,
        log_verbose_level={"type": ["integer", "null"], "minimum": 0},
        log_format={"enum": ["default", "ISO8601", None]},
    ),
}

RESPONSES: dict[str, Any] = {
    "Error": {
        "description": "what went wrong; the Content-Type may also be text/plain, with the same JSON",
        "content": {
            "application/json": {"schema": _ref("Error")},
            "text/plain": {"schema": _TEXT},
        },
    }
}
