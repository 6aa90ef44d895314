"""What a model imports as `triton_python_backend_utils`: tensors, requests, responses, errors, logging.

Lives in the model's process. Names and behaviour are those of Triton's module, as far as models use them that prepare
inputs, finish outputs and call other models.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from burnish.serve.backends.python.model_config import ModelConfig
from burnish.serve.backends.python.requests import (
    TRITONSERVER_MEMORY_CPU,
    TRITONSERVER_MEMORY_CPU_PINNED,
    TRITONSERVER_MEMORY_GPU,
    TRITONSERVER_REQUEST_FLAG_SEQUENCE_END,
    TRITONSERVER_REQUEST_FLAG_SEQUENCE_START,
    TRITONSERVER_RESPONSE_COMPLETE_FINAL,
    InferenceRequest,
    PreferredMemory,
    ResponseSender,
)
from burnish.serve.backends.python.values import InferenceResponse, Tensor, TritonError, TritonModelException
from burnish.serve.bytes_tensor import object_array, pack_bytes, unpack_bytes
from burnish.serve.datatypes import NUMPY, config_name, datatype_of, protocol_name

__all__ = [
    "TRITONSERVER_MEMORY_CPU", "TRITONSERVER_MEMORY_CPU_PINNED", "TRITONSERVER_MEMORY_GPU",
    "TRITONSERVER_REQUEST_FLAG_SEQUENCE_END", "TRITONSERVER_REQUEST_FLAG_SEQUENCE_START",
    "TRITONSERVER_REQUEST_RELEASE_ALL", "TRITONSERVER_RESPONSE_COMPLETE_FINAL", "InferenceRequest",
    "InferenceResponse", "Logger", "ModelConfig", "PreferredMemory", "ResponseSender", "Tensor", "TritonError",
    "TritonModelException", "deserialize_bytes_tensor", "get_input_config_by_name", "get_input_tensor_by_name",
    "get_model_dir", "get_output_config_by_name", "get_output_tensor_by_name", "numpy_to_triton_type",
    "serialize_byte_tensor", "triton_string_to_numpy", "triton_to_numpy_type",
    "using_decoupled_model_transaction_policy",
]  # fmt: skip
TRITONSERVER_REQUEST_RELEASE_ALL = 1


class Logger:
    """Lines for the server's log; the process replaces `write`."""

    write: Callable[[str, str], None] = staticmethod(lambda level, message: None)

    @classmethod
    def log(cls, message: str, level: str = "INFO") -> None:
        cls.write(level, str(message))

    @classmethod
    def log_info(cls, message: str) -> None:
        cls.write("INFO", str(message))

    @classmethod
    def log_warn(cls, message: str) -> None:
        cls.write("WARNING", str(message))

    @classmethod
    def log_error(cls, message: str) -> None:
        cls.write("ERROR", str(message))

    @classmethod
    def log_verbose(cls, message: str) -> None:
        cls.write("DEBUG", str(message))


def get_input_tensor_by_name(inference_request: InferenceRequest, name: str) -> Tensor | None:
    return next((t for t in inference_request.inputs() if t.name() == name), None)


def get_output_tensor_by_name(inference_response: InferenceResponse, name: str) -> Tensor | None:
    return next((t for t in inference_response.output_tensors() if t.name() == name), None)


def get_input_config_by_name(model_config: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((t for t in model_config.get("input", ()) if t["name"] == name), None)


def get_output_config_by_name(model_config: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((t for t in model_config.get("output", ()) if t["name"] == name), None)


def using_decoupled_model_transaction_policy(model_config: dict[str, Any]) -> bool:
    return bool(model_config.get("model_transaction_policy", {}).get("decoupled", False))


def triton_string_to_numpy(name: str) -> type | None:
    """TYPE_FP32 is np.float32; None for a type that numpy does not have."""
    if name == "TYPE_STRING":
        return np.object_
    found = NUMPY.get(protocol_name(name))
    return None if found is None else found.type


def triton_to_numpy_type(name: str) -> type | None:
    return triton_string_to_numpy(name)


def numpy_to_triton_type(dtype: Any) -> str:
    return config_name(datatype_of(np.dtype(dtype)))


def serialize_byte_tensor(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The elements with their lengths, as one array of bytes."""
    return np.frombuffer(pack_bytes(array), np.uint8)


def deserialize_bytes_tensor(data: Any) -> np.ndarray[Any, Any]:
    found = unpack_bytes(bytes(data))
    return object_array(found, (len(found),))


def get_model_dir() -> str:
    """The folder of the version that runs."""
    return _model_dir


_model_dir = ""
