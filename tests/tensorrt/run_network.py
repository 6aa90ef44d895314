"""A network as TensorRT scripts make it, and its answer by ONNX Runtime or onnx.reference: independent oracles."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from onnx.reference import ReferenceEvaluator

import burnish.tensorrt as trt

Array = np.ndarray[Any, Any]


class Quiet(trt.ILogger):
    """Keeps the messages."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self.messages: list[tuple[str, str]] = []

    def log(self, severity: Any, msg: str) -> None:
        self.messages.append((severity.name, msg))


def new_network() -> trt.INetworkDefinition:
    return trt.Builder(Quiet()).create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))


def feed(network: trt.INetworkDefinition, name: str, array: Array, dynamic: tuple[int, ...] = ()) -> trt.ITensor:
    """An input of an array's type and shape; the axes in `dynamic` are -1."""
    shape = [-1 if n in dynamic else d for n, d in enumerate(array.shape)]
    return network.add_input(name, trt.DataType[_NAMES[array.dtype.name]], shape)


_NAMES = {
    "float32": "FLOAT",
    "float16": "HALF",
    "int8": "INT8",
    "uint8": "UINT8",
    "int32": "INT32",
    "int64": "INT64",
    "bool": "BOOL",
}


def outputs_of(
    network: trt.INetworkDefinition, *tensors: trt.ITensor, reference: bool = False, **inputs: Array
) -> list[Array]:
    """What ONNX Runtime (or onnx.reference) computes for these tensors; the stated shapes are checked against it."""
    for number, tensor in enumerate(tensors):
        tensor.name = f"out{number}"
        network.mark_output(tensor)
    stated = [(None if t.facts.shape is None else tuple(t.shape), t.dtype) for t in tensors]
    model = network.to_onnx()
    if reference:
        results = ReferenceEvaluator(model).run(None, inputs)
    else:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        results = session.run([t.name for t in tensors], inputs)
    for (shape, dtype), result in zip(stated, results):
        fits = shape is None or (len(shape) == result.ndim and all(s in (-1, d) for s, d in zip(shape, result.shape)))
        assert fits, f"{shape} was stated, {result.shape} came"
        assert np.dtype(trt.nptype(dtype)) == result.dtype
    return list(results)


def one(network: trt.INetworkDefinition, layer: trt.ILayer, reference: bool = False, **inputs: Array) -> Array:
    """`outputs_of` the layer's first output."""
    return outputs_of(network, layer.get_output(0), reference=reference, **inputs)[0]


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
