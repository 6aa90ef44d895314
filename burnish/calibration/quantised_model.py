"""The quantised model as ONNX: what `build(precision="int8")` compiles, for other tools to run and to check."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
from onnx.external_data_helper import set_external_data

from burnish.building.analyze import prepare
from burnish.passes.pipeline import SPELLED_OUT
from burnish.passes.remove_unused import remove_unused
from burnish.plan import write_atomically
from burnish.precision.precision import parse_precision
from burnish.precision.precision_config import PrecisionConfig, read_precision_config
from burnish.precision.quantise.write_codes import write_codes
from burnish.precision.ranges import Ranges
from burnish.precision.words import INT8

LARGEST = (1 << 31) - (1 << 26)  # bytes of weights in a protobuf message, which holds 2 GiB with its nodes
PAGE = 4096  # where weights begin in a file of their own, so that they can be mapped
SMALL = 1024  # bytes of a constant that shape inference may read
OLDEST = 13  # the opset in which DequantizeLinear takes a scale for each channel


def quantised_model(
    model: Any,
    ranges: Ranges,
    *,
    shapes: Mapping[str, Any] | None = None,
    profile: Mapping[str, Any] | None = None,
    batch: Sequence[int] | str | None = None,
    precision_config: PrecisionConfig = None,
    precision: str = INT8,
) -> onnx.ModelProto:
    """The optimised model with QuantizeLinear and DequantizeLinear around its products; arguments as for `build`.

    precision: int8 or fp8; a float beside it changes nothing in the file, which says codes alone

    Sums of integers are rounded once there, too; a tool that computes them in f32 may differ by a code at ties
    (docs/quantization.md).
    """
    found = prepare(model, shapes=shapes, profile=profile, batch=batch, passes=SPELLED_OUT)
    graph = found.imported.model.graph
    wanted = parse_precision(precision, None, ranges, read_precision_config(precision_config))
    write_codes(graph, wanted)
    remove_unused(found.imported.model, found.context)  # the weights of which there are codes now
    return in_oldest_opset(ir.to_proto(found.imported.model))


def in_oldest_opset(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The same model in the oldest opset that has all it uses, since other tools lag behind ONNX.

    Operators that changed since then have only gained types and attributes, which the checker looks for.
    """
    (own,) = (entry for entry in proto.opset_import if entry.domain in ("", "ai.onnx"))
    newest, light = own.version, _without_weights(proto)
    (shown,) = (entry for entry in light.opset_import if entry.domain in ("", "ai.onnx"))
    for version in range(OLDEST, newest + 1):
        own.version = shown.version = version
        try:
            onnx.checker.check_model(light, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
            continue
        break
    return proto


def _without_weights(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model whose large constants are inputs: the checker copies what it gets, and takes no more than LARGEST."""
    light = onnx.ModelProto(ir_version=proto.ir_version, opset_import=proto.opset_import, functions=proto.functions)
    graph = proto.graph
    light.graph.CopyFrom(onnx.GraphProto(name=graph.name, node=graph.node, input=graph.input, output=graph.output))
    known = {value.name for value in graph.input}
    for tensor in graph.initializer:
        if tensor.ByteSize() <= SMALL:
            light.graph.initializer.append(tensor)
        elif tensor.name not in known:
            light.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return light


def save_model(proto: onnx.ModelProto, path: str | os.PathLike[str]) -> None:
    """Write the model. Weights go beside it into PATH.data, and out of the message, where one file cannot hold all.

    raises: E403 if a file cannot be written
    """
    path, large = Path(path), [tensor for tensor in proto.graph.initializer if len(tensor.raw_data) > SMALL]
    if sum(len(tensor.raw_data) for tensor in large) > LARGEST:
        data, parts, place = path.with_name(f"{path.name}.data"), list[bytes](), 0
        for tensor in large:
            content = tensor.raw_data
            parts += [content, bytes(-len(content) % PAGE)]
            set_external_data(tensor, data.name, place, len(content))
            tensor.ClearField("raw_data")
            place += len(content) + len(parts[-1])
        write_atomically(data, parts)
    write_atomically(path, [proto.SerializeToString(deterministic=True)])
