"""What /v2/models/M/config and /v2/models/M answer, from a completed configuration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from burnish.serve.proto import model_config_pb2 as pb

_LONG = {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64}
# 64-bit integers are numbers, but these stay texts, as protobuf's JSON writes them: so Triton answers.
_TEXTS = {
    "inference.ModelInstanceGroup.SecondaryDevice.device_id",
    "inference.ModelOptimizationPolicy.Cuda.GraphSpec.Shape.dim",
    "inference.ModelSequenceBatching.InitialState.dims",
}
_LATER = {"inference.ModelEnsembling.max_inflight_requests"}  # fields that Triton 2.51 had not: shown if they are set


def config_json(config: pb.ModelConfig) -> dict[str, Any]:
    """The configuration as JSON's values: every field but messages and choices that are not set, in their order."""
    return _shown(config)


def metadata_json(config: pb.ModelConfig, versions: Iterable[int]) -> dict[str, Any]:
    """The model's metadata. `versions` are those that are ready, or the one that was asked for."""
    return {
        "name": config.name,
        "versions": [str(v) for v in versions],
        "platform": config.platform or config.backend,
        "inputs": [_tensor(config, t) for t in config.input],
        "outputs": [_tensor(config, t) for t in config.output],
    }


def protocol_type(data_type: int) -> str:
    """The protocol's name of a type: TYPE_FP32 is FP32, TYPE_STRING is BYTES."""
    if data_type == pb.TYPE_STRING:
        return "BYTES"
    name = type_name(data_type)
    return name.removeprefix("TYPE_") if name not in ("TYPE_INVALID", str(data_type)) else "<invalid>"


def type_name(data_type: int) -> str:
    """TYPE_FP32, or the number itself where it is none of a type."""
    found = pb.DataType.DESCRIPTOR.values_by_number.get(data_type)
    return str(found.name) if found is not None else str(data_type)


def _tensor(config: pb.ModelConfig, tensor: pb.ModelInput | pb.ModelOutput) -> dict[str, Any]:
    batch = [-1] if config.max_batch_size > 0 else []
    return {"name": tensor.name, "datatype": protocol_type(tensor.data_type), "shape": [*batch, *tensor.dims]}


def _shown(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            of = field.message_type.fields_by_name["value"]
            found[field.name] = {str(key): _value(of, value[key]) for key in sorted(value)}
        elif field.is_repeated:
            found[field.name] = [_value(field, v) for v in value]
        elif not (field.has_presence and not message.HasField(field.name)) and (value or field.full_name not in _LATER):
            found[field.name] = _value(field, value)
    return found


def _value(field: Any, value: Any) -> Any:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_MESSAGE:
        return _shown(value)
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        found = field.enum_type.values_by_number.get(value)
        return found.name if found is not None else value
    if kind in _LONG and field.full_name in _TEXTS:
        return str(value)
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return _shortest(value, is_single=kind == FieldDescriptor.CPPTYPE_FLOAT)
    return value


def _shortest(value: float, is_single: bool) -> float | int | str:
    """The shortest digits that mean the same number; what JSON has no number for is a text."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if is_single:
        value = next(v for digits in range(6, 10) if _as_single(v := float(f"{value:.{digits}g}")) == _as_single(value))
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _as_single(value: float) -> float:
    return float(pb.ModelSequenceBatching.StrategyDirect(minimum_slot_utilization=value).minimum_slot_utilization)
