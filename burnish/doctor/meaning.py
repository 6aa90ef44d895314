"""What a tensor in a plan's memory stands for: a tensor of the f32 model, as numbers of some type or as codes.

    y           f16     the model's y, rounded
    y/bf16      bf16    a Cast of y
    y/codes     u8      QuantizeLinear of y: (code - zero) * scale
    y/quantised f32     DequantizeLinear of those codes: still y
    y/codes     f8      the same by float8: code * scale

A name holds through the passes: a rewrite leaves a value's name to what replaces the value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import onnx_ir as ir

from burnish.ops.quantize import FLOAT8_MOST
from burnish.passes.rewrite.constants import constant_array
from burnish.precision.codes import FLOAT8
from burnish.precision.quantise.write_codes import is_one_code

Array = np.ndarray[Any, Any]
FLOATS = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16)
BYTES = (np.dtype(np.int8), np.dtype(np.uint8), FLOAT8)


@dataclass(frozen=True, eq=False)
class Meaning:
    """tensor: of the f32 model. scale, zero: of codes, one or one for each place on `axis`; None for numbers.

    dtype: of codes; coded: what a number was while it was a code, if it was one (DequantizeLinear's results)
    """

    tensor: str
    scale: Array | None = None
    zero: Array | None = None
    axis: int = 1
    dtype: np.dtype[Any] = BYTES[1]
    coded: Meaning | None = None

    @property
    def is_code(self) -> bool:
        return self.scale is not None

    def decode(self, stored: Array) -> Array:
        """The numbers that stored elements stand for."""
        if self.scale is None:
            return stored.astype(np.float32)
        scale, zero = self.along(stored.ndim)
        return np.asarray((stored.astype(np.float32) - zero) * scale, np.float32)

    def encode(self, numbers: Array, dtype: np.dtype[Any]) -> Array:
        """The elements that a plan would store for these numbers. Past the end: infinite, or the last code."""
        if self.coded is not None:
            numbers = self.coded.decode(self.coded.encode(numbers, self.coded.dtype))
        if self.scale is None:
            with np.errstate(over="ignore"):
                return numbers.astype(dtype)
        scale, zero = self.along(numbers.ndim)
        with np.errstate(invalid="ignore", over="ignore"):
            steps = numbers / scale
        if dtype == FLOAT8:
            return np.clip(steps, -FLOAT8_MOST, FLOAT8_MOST).astype(dtype)
        low, high = int(ml_dtypes.iinfo(dtype).min), int(ml_dtypes.iinfo(dtype).max)
        found = np.clip(np.rint(steps) + zero, low, high)
        return np.where(np.isnan(found), low, found).astype(dtype)

    def range(self, rank: int) -> tuple[Array, Array]:
        """The least and the greatest number that codes can stand for, to be compared with tensors of a rank."""
        scale, zero = self.along(rank)
        if self.dtype == FLOAT8:
            return np.asarray(-FLOAT8_MOST * scale), np.asarray(FLOAT8_MOST * scale)
        ends = np.iinfo(self.dtype)
        return np.asarray((ends.min - zero) * scale), np.asarray((ends.max - zero) * scale)

    def along(self, rank: int) -> tuple[Array, Array]:
        """Scale and zero point, to be broadcast over tensors of a rank."""
        assert self.scale is not None and self.zero is not None
        if self.scale.size == 1:
            return self.scale.reshape(()), self.zero.reshape(())
        shape = [-1 if a == self.axis % rank else 1 for a in range(rank)]
        return self.scale.reshape(shape), self.zero.reshape(shape)


def meanings_of(written: ir.Graph, final: ir.Graph) -> dict[str, Meaning]:
    """The meaning of each value that has one, by name.

    written: the graph in which quantisation is written as QuantizeLinear and DequantizeLinear around f32 operators
    final:   what the plan's program was made of
    """
    found: dict[str, Meaning] = {}
    for value in _values(written):
        if value.dtype in FLOATS:
            found[str(value.name)] = Meaning(str(value.name))
    for node in written:
        _of_node(node, found)
    for node in final:  # where passes moved quantisation, codes may also say what a Relu did: nothing is known of them
        if node.op_type == "Cast":
            _of_node(node, found)
    for node in reversed(list(final)):  # an output keeps its name, and what it is cast from gets another
        if node.op_type == "Cast" and not node.domain and (source := node.inputs[0]) is not None:
            meaning = found.get(str(node.outputs[0].name))
            if meaning is not None and not meaning.is_code and source.dtype in FLOATS:
                found.setdefault(str(source.name), meaning)
    return found


def _of_node(node: ir.Node, found: dict[str, Meaning]) -> None:
    source = node.inputs[0] if node.inputs else None
    if node.domain or source is None or str(source.name) not in found:
        return
    given, name = found[str(source.name)], str(node.outputs[0].name)
    if node.op_type == "Cast" and node.outputs[0].dtype in FLOATS:
        found.setdefault(name, given)
    elif node.op_type == "QuantizeLinear" and (codes := _coded(node, given)) is not None:
        found[name] = codes
    elif node.op_type == "DequantizeLinear" and given.is_code:
        maker = source.producer()
        if maker is not None and is_one_code(maker, node):
            found[name] = Meaning(given.tensor, coded=given)


def _coded(node: ir.Node, given: Meaning) -> Meaning | None:
    """The codes of a tensor, if their scale is a constant."""
    scale = constant_array(node.inputs[1])
    if scale is None or given.is_code:
        return None
    stored, given_zero = node.outputs[0].dtype, node.inputs[2] if len(node.inputs) > 2 else None
    kind = BYTES[1] if stored is None else np.dtype(stored.numpy())
    zero = np.zeros((), kind) if given_zero is None else constant_array(given_zero)
    if zero is None or kind not in BYTES:
        return None
    axis = node.attributes["axis"].as_int() if "axis" in node.attributes else 1
    zero = np.broadcast_to(np.asarray(zero, np.float32), scale.shape)
    return Meaning(given.tensor, np.asarray(scale, np.float32), zero, axis, kind)


def _values(graph: ir.Graph) -> Iterator[ir.Value]:
    yield from graph.inputs
    for node in graph:
        yield from node.outputs
