"""ITensor: a value of a network, and the facts known about it before anything is built."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import onnx
from onnx import helper

from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.tensorrt.datatype import DataType, burnish_dtype, data_type
from burnish.tensorrt.dims import Dims
from burnish.tensorrt.enums import TensorFormat, TensorLocation

__all__ = ["ITensor"]


@dataclass(frozen=True)
class Facts:
    """elem_type: ONNX's number. shape: ints, symbols, None where unknown; None as a whole: even the rank is unknown."""

    elem_type: int
    shape: tuple[int | str | None, ...] | None
    value: np.ndarray[Any, Any] | None = None

    @staticmethod
    def of(info: onnx.ValueInfoProto) -> Facts:
        """From ONNX's description of a value."""
        tensor = info.type.tensor_type
        if not tensor.HasField("shape"):
            return Facts(tensor.elem_type, None)
        dims = (
            d.dim_value if d.HasField("dim_value") else (d.dim_param or None) if d.HasField("dim_param") else None
            for d in tensor.shape.dim
        )
        return Facts(tensor.elem_type, tuple(dims))

    def describe(self, name: str) -> onnx.ValueInfoProto:
        """As ONNX describes a value called `name`."""
        return helper.make_tensor_value_info(name, self.elem_type, None if self.shape is None else list(self.shape))


class Layer(Protocol):
    """The operations that a tensor needs from the layer that makes it, and from those that use it: an ILayer."""

    def changed(self) -> None:
        """Discard the inferred facts about the outputs, here and in every layer that uses them."""

    def output_facts(self) -> tuple[Facts, ...]:
        """The known facts about the outputs."""


class ITensor:
    """A network's input, a layer's output, or a constant of a parsed model; from `add_input` or `get_output`."""

    def __init__(self, name: str, *, facts: Facts | None = None, layer: Layer | None = None, index: int = 0) -> None:
        self._name = name
        self._facts = facts
        self._layer = layer
        self._index = index
        self._users: list[Layer] = []
        self._is_input = self._is_output = False
        self._io_type: int | None = None  # what the plan's surface has, where that is not what the graph computes with
        self._dynamic_range: tuple[float, float] | None = None
        self._value_name = ""  # the name that a parsed graph's nodes use, whatever the user calls the tensor
        self.location = TensorLocation.DEVICE
        self.allowed_formats = TensorFormat.LINEAR.bit
        self.broadcast_across_batch = False

    @property
    def facts(self) -> Facts:
        """The facts known about the tensor now."""
        if self._facts is not None:
            return self._facts
        assert self._layer is not None
        return self._layer.output_facts()[self._index]

    @property
    def rank(self) -> int:
        """The number of dimensions; E651 if even that is unknown."""
        shape = self.facts.shape
        if shape is None:
            raise UserError("E651", f"the rank of tensor '{self.name}' is not known before the network runs")
        return len(shape)

    @property
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._name = value

    @property
    def shape(self) -> Dims:
        """-1 for each dimension that is known only at run time."""
        shape = self.facts.shape
        return Dims([d if isinstance(d, int) else -1 for d in shape]) if shape is not None else Dims()

    @shape.setter
    def shape(self, value: Iterable[int]) -> None:
        self._require_input("shape")
        given = [int(v) for v in value]
        old = self.facts.shape or ()
        names = [o if isinstance(o, str) and len(old) == len(given) else f"{self.name}_{n}" for n, o in enumerate(old)]
        names += [f"{self.name}_{n}" for n in range(len(names), len(given))]
        self._set_facts(replace(self.facts, shape=tuple(names[n] if v < 0 else v for n, v in enumerate(given))))

    @property
    def dtype(self) -> DataType:
        number = self.facts.elem_type if self._io_type is None else self._io_type
        return data_type(DType.from_onnx(number), f"tensor '{self.name}'")

    @dtype.setter
    def dtype(self, value: DataType) -> None:
        if not (self._is_input or self._is_output):
            raise UserError(
                "E651",
                f"tensor '{self.name}' is inside the network, so its type cannot be set",
                hint="add_cast, or set_output_type of its layer",
            )
        self._io_type = burnish_dtype(value).onnx

    @property
    def is_network_input(self) -> bool:
        return self._is_input

    @property
    def is_network_output(self) -> bool:
        return self._is_output

    @property
    def is_shape_tensor(self) -> bool:
        """Always False: Burnish's plans take shape arithmetic as ordinary tensors."""
        return False

    @property
    def is_execution_tensor(self) -> bool:
        return True

    def set_dimension_name(self, index: int, name: str) -> None:
        """Name a dimension of an input; equal names are equal sizes."""
        self._require_input("dimension names")
        shape = list(self.facts.shape or ())
        if not isinstance(shape[index], int):
            shape[index] = name
            self._set_facts(replace(self.facts, shape=tuple(shape)))

    def get_dimension_name(self, index: int) -> str | None:
        dim = (self.facts.shape or ())[index]
        return dim if isinstance(dim, str) else None

    @property
    def dynamic_range(self) -> tuple[float, float] | None:
        """The range that INT8 codes of the tensor cover, symmetric to the larger side; None: it was not set."""
        return self._dynamic_range

    @dynamic_range.setter
    def dynamic_range(self, value: tuple[float, float]) -> None:
        low, high = map(float, value)
        if not (np.isfinite(low) and np.isfinite(high) and low <= high):
            raise UserError(
                "E651", f"{low:g} to {high:g} is no range of tensor '{self.name}'", hint="min <= max, finite"
            )
        self._dynamic_range = (low, high)

    def set_dynamic_range(self, min: float, max: float) -> bool:
        """The same in one call."""
        self.dynamic_range = (min, max)
        return True

    def reset_dynamic_range(self) -> None:
        self._dynamic_range = None

    def _require_input(self, what: str) -> None:
        if not self._is_input:
            raise UserError(
                "E651", f"{what} of tensor '{self.name}' cannot be set", why="only a network's inputs can be changed"
            )

    def _set_facts(self, facts: Facts) -> None:
        self._facts = facts
        for user in self._users:
            user.changed()
