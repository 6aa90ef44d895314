"""What a model imports as `triton_python_backend_utils`: tensors, requests, responses, errors, logging.

Lives in the model's process. Names and behaviour are those of Triton's module, as far as models that prepare inputs and
finish outputs use them; what is missing is refused by a clear error where it is called.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from burnish.serve.backends.python.model_config import ModelConfig as ModelConfig  # for models
from burnish.serve.bytes_tensor import object_array, pack_bytes, unpack_bytes
from burnish.serve.datatypes import NUMPY, config_name, datatype_of, protocol_name
from burnish.serve.request import Tensor as Held
from burnish.serve.status import Code

TRITONSERVER_RESPONSE_COMPLETE_FINAL = 1
TRITONSERVER_REQUEST_FLAG_SEQUENCE_START = 1
TRITONSERVER_REQUEST_FLAG_SEQUENCE_END = 2
TRITONSERVER_REQUEST_RELEASE_ALL = 1


class TritonModelException(Exception):
    """Raised by a model on purpose."""


class TritonError:
    """The error of a response."""

    UNKNOWN, INTERNAL, NOT_FOUND, INVALID_ARG = Code.UNKNOWN, Code.INTERNAL, Code.NOT_FOUND, Code.INVALID_ARG
    UNAVAILABLE, UNSUPPORTED = Code.UNAVAILABLE, Code.UNSUPPORTED
    ALREADY_EXISTS, CANCELLED = Code.ALREADY_EXISTS, Code.CANCELLED

    def __init__(self, message: str, code: Code = Code.INTERNAL) -> None:
        self._message, self._code = str(message), code

    def message(self) -> str:
        return self._message

    def code(self) -> Code:
        return self._code

    def __str__(self) -> str:
        return self._message


class Tensor:
    """A named array in host memory."""

    def __init__(self, name: str, array: Any) -> None:
        if not isinstance(array, np.ndarray):
            raise TritonModelException(f"Tensor '{name}' needs a numpy array, not {type(array).__name__}.")
        try:
            datatype = datatype_of(array.dtype)
        except KeyError:
            raise TritonModelException(f"Numpy dtype '{array.dtype}' of tensor '{name}' is not supported.") from None
        if datatype == "BYTES" and array.dtype.kind in "SU":
            array = array.astype(np.object_)
        self._held = Held(name, datatype, np.ascontiguousarray(array).reshape(array.shape))

    @classmethod
    def of(cls, held: Held) -> Tensor:
        """Around a tensor that came from the server."""
        made = cls.__new__(cls)
        made._held = held
        return made

    @classmethod
    def from_dlpack(cls, name: str, source: Any) -> Tensor:
        """Another library's tensor, or one of these under another name; without a copy."""
        if isinstance(source, Tensor):
            return cls.of(Held(name, source._held.datatype, source._held.data))
        return cls(name, np.from_dlpack(source))

    @property
    def held(self) -> Held:
        return self._held

    def name(self) -> str:
        return self._held.name

    def as_numpy(self) -> np.ndarray[Any, Any]:
        return self._held.data

    def triton_dtype(self) -> str:
        return self._held.datatype

    def shape(self) -> list[int]:
        return list(self._held.shape)

    def is_cpu(self) -> bool:
        return True

    def to_dlpack(self) -> Any:
        return self._held.data.__dlpack__()

    def __dlpack__(self, **options: Any) -> Any:
        return self._held.data.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


class InferenceResponse:
    """Outputs, or an error."""

    def __init__(
        self,
        output_tensors: Sequence[Tensor] = (),
        error: TritonError | None = None,
        parameters: dict[str, Any] | str | None = None,
    ) -> None:
        if error is not None and not isinstance(error, TritonError):
            raise TritonModelException("The error of an InferenceResponse must be a TritonError.")
        for tensor in output_tensors:
            if not isinstance(tensor, Tensor):
                raise TritonModelException("The output tensors of an InferenceResponse must be Tensor objects.")
        self._outputs, self._error = list(output_tensors), error
        self._parameters = json.loads(parameters) if isinstance(parameters, str) else dict(parameters or {})

    def output_tensors(self) -> list[Tensor]:
        return self._outputs

    def has_error(self) -> bool:
        return self._error is not None

    def error(self) -> TritonError | None:
        return self._error

    def parameters(self) -> str:
        return json.dumps(self._parameters)


class InferenceRequest:
    """What `execute` gets. Models do not make any."""

    def __init__(self, header: dict[str, Any], inputs: list[Held], sender: Callable[[], ResponseSender]) -> None:
        self._header, self._inputs, self._sender = header, [Tensor.of(held) for held in inputs], sender

    def inputs(self) -> list[Tensor]:
        return self._inputs

    def request_id(self) -> str:
        return str(self._header["id"])

    def correlation_id(self) -> int | str:
        found: int | str = self._header["sequence"]
        return found

    def flags(self) -> int:
        return int(self._header["flags"])

    def timeout(self) -> int:
        return int(self._header["timeout"])

    def priority(self) -> int:
        return int(self._header["priority"])

    def model_name(self) -> str:
        return str(self._header["model"])

    def requested_output_names(self) -> list[str]:
        return list(self._header["wanted"])

    def parameters(self) -> str:
        return json.dumps(self._header["parameters"])

    def is_cancelled(self) -> bool:
        return bool(self._header.get("is_cancelled", False))

    def get_response_sender(self) -> ResponseSender:
        return self._sender()

    def exec(self, *_: Any, **__: Any) -> InferenceResponse:
        raise TritonModelException(
            "Calling other models from a Python model is not supported; let an ensemble call them one after the other."
        )

    async_exec = exec


class ResponseSender:
    """Sends the responses of one request, from any thread."""

    def __init__(self, send: Callable[[InferenceResponse | None, bool], None], header: dict[str, Any]) -> None:
        self._send, self._header, self._is_over = send, header, False

    def send(self, response: InferenceResponse | None = None, flags: int = 0) -> None:
        if self._is_over:
            raise TritonModelException("Unable to send response. Response sender has been closed.")
        is_final = bool(flags & TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        if response is None and not is_final:
            raise TritonModelException("Inference Response object must be provided when the response flags is 0.")
        self._is_over = is_final
        self._send(response, is_final)

    def is_cancelled(self) -> bool:
        return bool(self._header.get("is_cancelled", False))


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
