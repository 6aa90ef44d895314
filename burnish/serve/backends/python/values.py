"""What models give and get: tensors, responses, errors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from burnish.serve.datatypes import datatype_of
from burnish.serve.request import Tensor as Held
from burnish.serve.status import Code


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
