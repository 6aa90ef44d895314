"""Complete a configuration from the model: what a plan holds, or what a Python model's auto_complete_config says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from burnish.serve.config.normalise import normalise
from burnish.serve.config.refusal import ConfigError
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.status import Code

MAX_BATCH_SIZE = 4  # of a model that can be batched and whose configuration does not say


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or output as the model has it.

    data_type  a number of DataType, or its name
    dims       with the batch dimension; -1 where the size may vary
    optional   an input that callers may leave out
    """

    name: str
    data_type: int | str
    dims: tuple[int, ...]
    optional: bool = False

    @property
    def type_number(self) -> pb.DataType:
        number = pb.DataType.Value(self.data_type) if isinstance(self.data_type, str) else self.data_type
        return cast(pb.DataType, number)


def complete_from_model(
    config: pb.ModelConfig,
    inputs: Sequence[TensorInfo],
    outputs: Sequence[TensorInfo],
    default_max_batch_size: int = MAX_BATCH_SIZE,
    most_rows: int | None = None,
) -> None:
    """Fill in inputs, outputs, maximum batch size and dynamic batching, as Triton does for ONNX files.

    Where inputs and outputs are both listed nothing is chosen; a tensor that is listed without its type or dims gets
    the model's. most_rows is the largest first dimension that the model can run, if it has a limit.
    """
    listed = bool(config.input or config.batch_input) and bool(config.output)
    if not listed:
        _complete_batching(config, [*inputs, *outputs], default_max_batch_size, most_rows)
    for infos, found in ((inputs, config.input), (outputs, config.output)):
        of_model = {info.name: info for info in infos}
        for tensor in found:
            if tensor.name in of_model:
                _complete_tensor(tensor, of_model[tensor.name], config.max_batch_size)
    if not (config.input or config.batch_input):
        for info in inputs:
            _complete_tensor(config.input.add(name=info.name, optional=info.optional), info, config.max_batch_size)
    if not config.output:
        for info in outputs:
            _complete_tensor(config.output.add(name=info.name), info, config.max_batch_size)
    normalise(config)


def update_from_model(config: pb.ModelConfig, told: pb.ModelConfig) -> None:
    """Take over what a Python model's auto_complete_config tells: batch size, tensors, scheduler, decoupling."""
    config.max_batch_size = told.max_batch_size
    for field in ("input", "output"):
        config.ClearField(field)
        getattr(config, field).extend(getattr(told, field))
    has, tells = config.WhichOneof("scheduling_choice"), told.WhichOneof("scheduling_choice")
    if has is None and tells is not None:
        getattr(config, tells).CopyFrom(getattr(told, tells))
    elif has != tells:
        sentence = f"Cannot update scheduling choice from {_number_of(has)} to {_number_of(has)} when auto-completing."
        raise ConfigError(sentence, f"the configuration has {has}, the model tells {tells}", Code.INTERNAL)
    if told.HasField("model_transaction_policy"):
        config.model_transaction_policy.decoupled = told.model_transaction_policy.decoupled
    normalise(config)


def _complete_batching(
    config: pb.ModelConfig, tensors: Sequence[TensorInfo], default_max_batch_size: int, most_rows: int | None
) -> None:
    if not all(t.dims and t.dims[0] == -1 for t in tensors):
        if config.max_batch_size:
            sentence = f"autofill failed for model '{config.name}': model does not support batching while non-zero "
            raise ConfigError(sentence + "max_batch_size is specified", _who_is_fixed(tensors))
        return
    if not config.max_batch_size:
        limit = default_max_batch_size if most_rows is None else min(default_max_batch_size, most_rows)
        config.max_batch_size = max(limit, 0)
    if config.max_batch_size > 1 and config.WhichOneof("scheduling_choice") is None:
        config.dynamic_batching.SetInParent()


def _complete_tensor(tensor: pb.ModelInput | pb.ModelOutput, info: TensorInfo, max_batch_size: int) -> None:
    if tensor.data_type == pb.TYPE_INVALID:
        tensor.data_type = info.type_number
    if not tensor.dims:
        tensor.dims.extend(info.dims[1:] if max_batch_size > 0 else info.dims)
        if not tensor.dims:  # a scalar, which a configuration writes as one element
            tensor.dims.append(1)
            if max_batch_size > 0:
                tensor.reshape.SetInParent()


def _who_is_fixed(tensors: Sequence[TensorInfo]) -> str:
    fixed = next(t for t in tensors if not t.dims or t.dims[0] != -1)
    return f"'{fixed.name}' has the shape {list(fixed.dims)}, whose first size is fixed"


def _number_of(field: str | None) -> int:
    return pb.ModelConfig.DESCRIPTOR.fields_by_name[field].number if field else 0
