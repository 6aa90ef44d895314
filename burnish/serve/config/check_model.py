"""Does a configuration say of inputs and outputs what the model itself has?"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.serve.config.complete import TensorInfo
from burnish.serve.config.refusal import ConfigError
from burnish.serve.config.show import type_name
from burnish.serve.proto import model_config_pb2 as pb


def check_against_model(config: pb.ModelConfig, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> None:
    """What the configuration says of its tensors must be what the model has."""
    expected = len(config.input) + sum(len(b.target_name) for b in config.batch_input)
    if expected != len(inputs) and not (expected < len(inputs) and all(_may_lack(config, i) for i in inputs)):
        raise _cannot(config, f"configuration expects {expected} inputs, model provides {len(inputs)}")
    for kind, listed, infos in (("input", config.input, inputs), ("output", config.output, outputs)):
        of_model = {info.name: info for info in infos}
        for tensor in listed:
            if tensor.name not in of_model:
                allowed = ", ".join(sorted(of_model))
                raise ConfigError(f"unexpected inference {kind} '{tensor.name}', allowed {kind}s are: {allowed}")
            _check_tensor(config, tensor, of_model[tensor.name], kind)


def _may_lack(config: pb.ModelConfig, info: TensorInfo) -> bool:
    return info.optional or any(t.name == info.name for t in config.input)


def _check_tensor(config: pb.ModelConfig, tensor: pb.ModelInput | pb.ModelOutput, info: TensorInfo, kind: str) -> None:
    if tensor.data_type != info.type_number:
        raise _cannot(
            config,
            f"configuration expects datatype {type_name(tensor.data_type)} for {kind} '{tensor.name}', "
            f"model provides {type_name(info.type_number)}",
        )
    dims = list(tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims)
    if kind == "input" and tensor.allow_ragged_batch:
        if list(info.dims) != [-1]:
            why = f"configuration expects model provides input with shape [-1]  for ragged input '{tensor.name}', "
            raise _cannot(config, f"{why}model provides {shape_text(info.dims)}")
        return
    if not info.dims and config.max_batch_size == 0:
        if any(d != 1 for d in dims):
            why = f"scalar tensor '{tensor.name}', should only provide 1 in the model configuration when the model "
            raise _cannot(config, f"{why}doesn't support batching. Model configuration provided: {shape_text(dims)}.")
        return
    _check_dims(config, tensor.name, info.dims, dims)


def _check_dims(config: pb.ModelConfig, name: str, of_model: Sequence[int], dims: list[int]) -> None:
    start = f"model '{config.name}', tensor '{name}': "
    batches = config.max_batch_size > 0
    if batches and (not of_model or of_model[0] != -1):
        raise ConfigError(
            f"{start}for the model to support batching the shape should have at least 1 dimension and the first "
            f"dimension must be -1; but shape expected by the model is {shape_text(of_model)}"
        )
    full = [-1, *dims] if batches else dims
    if len(full) == len(of_model) and all(m in (-1, d) for m, d in zip(of_model, full)):
        return
    how = (
        f" (an initial batch dimension because max_batch_size > 0 followed by the explicit tensor shape, "
        f"making complete shape {shape_text(full)})"
        if batches
        else f" (shape {shape_text(full)})"
    )
    raise ConfigError(
        f"{start}the model expects {len(of_model)} dimensions (shape {shape_text(of_model)}) but the model "
        f"configuration specifies {len(full)} dimensions{how}"
    )


def shape_text(dims: Sequence[int]) -> str:
    """As Triton writes a shape: [-1,3,224]."""
    return f"[{','.join(map(str, dims))}]"


def _cannot(config: pb.ModelConfig, why: str) -> ConfigError:
    return ConfigError(f"unable to load model '{config.name}', {why}")
