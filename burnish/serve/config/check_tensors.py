"""Inputs, outputs, batch inputs and batch outputs of a configuration that is complete."""

from __future__ import annotations

import math
from collections.abc import Sequence

from burnish.serve.config.backends import TENSORRT
from burnish.serve.config.refusal import ConfigError
from burnish.serve.config.show import type_name
from burnish.serve.proto import model_config_pb2 as pb

ANY = -1  # a size that may vary
_SIZES = "must be integer >= 1, or -1 to indicate a variable-size dimension"


def check_tensors(config: pb.ModelConfig) -> None:
    """Every tensor has a name, a type and dims; what is given beside them fits. ConfigError in Triton's words."""
    for tensor in config.input:
        why = _of_tensor(tensor, config.max_batch_size, "model input ") or _of_input(tensor)
        why = why or _of_format(tensor, config, "input")
        _refuse(config, why)
    for tensor in config.output:
        why = _of_tensor(tensor, config.max_batch_size, "model output ") or _of_format(tensor, config, "output")
        _refuse(config, why)
    _refuse(config, _of_batch_inputs(config) or _of_batch_outputs(config))


def _refuse(config: pb.ModelConfig, why: str) -> None:
    if why:
        raise ConfigError(f"{why} for {config.name}")


def _of_tensor(tensor: pb.ModelInput | pb.ModelOutput, max_batch_size: int, kind: str) -> str:
    if not tensor.name:
        return f"{kind}must specify 'name'"
    start = f"{kind}'{tensor.name}' "
    if tensor.data_type == pb.TYPE_INVALID:
        return f"{start}must specify 'data_type'"
    if type_name(tensor.data_type) == str(tensor.data_type):
        return f"{start}has data_type {tensor.data_type}, which is no type"
    if not tensor.dims:
        return f"{start}must specify 'dims'"
    if tensor.HasField("reshape") and not tensor.reshape.shape and max_batch_size == 0:
        return f"{start}cannot have empty reshape for non-batching model as scalar tensors are not supported"
    if not all(d >= 1 or d == ANY for d in tensor.dims):
        return f"{start}dimension {_SIZES}"
    if tensor.HasField("reshape"):
        return _of_reshape(list(tensor.dims), list(tensor.reshape.shape), start)
    return ""


def _of_reshape(dims: list[int], shape: list[int], start: str) -> str:
    if not all(d >= 1 or d == ANY for d in shape):
        return f"{start}reshape dimensions {_SIZES}"
    if (ANY in dims) != (ANY in shape):
        return f"{start}has different size for dims and reshape"
    if ANY not in dims:
        return "" if math.prod(dims) == math.prod(shape) else f"{start}has different size for dims and reshape"
    of_dims, of_shape = _runs(dims), _runs(shape)
    if len(of_dims) != len(of_shape):
        return f"{start}has different number of variable-size dimensions for dims and reshape"
    return "" if of_dims == of_shape else f"{start}has different size for dims and reshape"


def _runs(dims: Sequence[int]) -> list[int]:
    """Products of the sizes before, between and after those that vary: [2, 4, -1, 6] has 8 and 6."""
    found = [1]
    for size in dims:
        if size == ANY:
            found.append(1)
        else:
            found[-1] *= size
    return found


def _of_input(tensor: pb.ModelInput) -> str:
    if tensor.format in (pb.ModelInput.FORMAT_NHWC, pb.ModelInput.FORMAT_NCHW) and len(tensor.dims) != 3:
        return "model input NHWC/NCHW require 3 dims"
    return ""


def _of_format(tensor: pb.ModelInput | pb.ModelOutput, config: pb.ModelConfig, kind: str) -> str:
    of_tensorrt = config.backend == TENSORRT
    if tensor.is_shape_tensor and not of_tensorrt:
        return "shape tensors are only supported for TensorRT platform"
    if tensor.is_non_linear_format_io:
        if not of_tensorrt:
            return "Non-linear IO format is only supported for the TensorRT platform"
        if len(tensor.dims) != 3:
            return f"Non-linear IO format {kind} requires 3 dims"
    return ""


def _of_batch_inputs(config: pb.ModelConfig) -> str:
    inputs = {t.name for t in config.input}
    for made in config.batch_input:
        kind = pb.BatchInput.Kind.DESCRIPTOR.values_by_number.get(made.kind)
        if kind is None:
            return f"unknown batch input kind '{made.kind}'"
        if len(made.source_input) != 1:
            return f"batch input kind '{kind.name}' expects 1 source input, got {len(made.source_input)}"
        if made.data_type == pb.TYPE_INVALID:
            raise ConfigError("unexpected batch input data type 'TYPE_INVALID'")
        if made.data_type not in (pb.TYPE_INT32, pb.TYPE_FP32):
            return "batch input data type must be TYPE_INT32 or TYPE_FP32"
        if made.source_input[0] not in inputs:
            return f"unknown source input name '{made.source_input[0]}'"
    return ""


def _of_batch_outputs(config: pb.ModelConfig) -> str:
    inputs, outputs = {t.name for t in config.input}, {t.name for t in config.output}
    for divided in config.batch_output:
        kind = pb.BatchOutput.Kind.DESCRIPTOR.values_by_number.get(divided.kind)
        if kind is None:
            return f"unknown batch output kind '{divided.kind}'"
        if len(divided.source_input) != 1:
            return f"batch output kind '{kind.name}' expects 1 source input, got {len(divided.source_input)}"
        if divided.source_input[0] not in inputs:
            return f"unknown source input name '{divided.source_input[0]}'"
        seen: set[str] = set()
        for target in divided.target_name:
            if target not in outputs:
                return f"unknown target output name '{target}'"
            if target in seen:
                return f"target output name '{target}' can only be specified once"
            seen.add(target)
    return ""
