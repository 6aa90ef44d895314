"""The data flow that an ensemble's steps spell: every tensor written once, every one used, all outputs reached.

Only the ensemble's own configuration is looked at; check_steps.py compares it with those of its models.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from burnish.serve.config.backends import ENSEMBLE
from burnish.serve.config.refusal import ConfigError
from burnish.serve.proto import model_config_pb2 as pb


@dataclass(slots=True)
class _Tensor:
    """sources: the inputs of the step that writes it; readers: the outputs of the steps that read it."""

    name: str
    is_output: bool = False
    is_ready: bool = False
    sources: list[_Tensor] = field(default_factory=list)
    readers: list[_Tensor] = field(default_factory=list)


def check_ensemble(config: pb.ModelConfig) -> None:
    name = config.name
    if config.platform != ENSEMBLE:
        sentence = f"ensemble scheduling cannot be set for model '{name}' whose platform is not {ENSEMBLE}"
        raise ConfigError(sentence)
    if config.instance_group:
        raise ConfigError(f"instance group should not be specified for ensemble '{name}'")
    if config.HasField("optimization"):
        raise ConfigError(f"optimization should not be specified for ensemble '{name}'")
    if config.model_warmup:
        raise ConfigError(f"model_warmup can not be specified for ensemble '{name}'")
    if not config.ensemble_scheduling.step:
        raise ConfigError(f"must specify 'step' for ensemble '{name}'")
    tensors = _graph(config)
    _spread(config, tensors)
    _check_outputs(config, tensors)
    outputs = {t.name for t in config.output}
    for tensor in tensors.values():
        if tensor.name not in outputs and not (tensor.is_ready and tensor.readers):
            raise ConfigError(f"ensemble tensor '{tensor.name}' is unused in ensemble '{name}'")


def _graph(config: pb.ModelConfig) -> dict[str, _Tensor]:
    tensors: dict[str, _Tensor] = {}
    for place, step in enumerate(config.ensemble_scheduling.step):
        where = f"step {place} of ensemble '{config.name}'"
        for part in ("model_name", "input_map", "output_map"):
            if not getattr(step, part):
                raise ConfigError(f"must specify '{part}' in {where}")
        written = []
        for name in step.output_map.values():
            tensor = tensors.setdefault(name, _Tensor(name))
            if tensor.is_output:
                raise ConfigError(
                    f"ensemble tensor '{name}' can appear in an output map only once for ensemble '{config.name}' "
                    f"step {place}"
                )
            tensor.is_output = True
            written.append(tensor)
        for name in step.input_map.values():
            source = tensors.setdefault(name, _Tensor(name))
            for tensor in written:
                tensor.sources.append(source)
                source.readers.append(tensor)
    return tensors


def _spread(config: pb.ModelConfig, tensors: dict[str, _Tensor]) -> None:
    """A tensor is ready if the ensemble gets it, or if all that its step reads is ready."""
    queue = []
    for given in config.input:
        tensor = tensors.get(given.name)
        if tensor is None:
            raise ConfigError(f"ensemble input '{given.name}' for ensemble {config.name} is not used")
        tensor.is_ready = True
        queue.append(tensor)
    for tensor in queue:  # grows while it is walked
        for reader in tensor.readers:
            if not reader.is_ready and all(source.is_ready for source in reader.sources):
                reader.is_ready = True
                queue.append(reader)


def _check_outputs(config: pb.ModelConfig, tensors: dict[str, _Tensor]) -> None:
    for output in config.output:
        tensor = tensors.get(output.name)
        if tensor is None:
            raise ConfigError(f"ensemble output '{output.name}' for ensemble {config.name} is not used")
        if tensor.is_ready:
            continue
        sentence = f"output '{output.name}' for ensemble '{config.name}' is not written"
        root = _first_missing(tensor)
        if root is not tensor:
            raise ConfigError(f"{sentence}: at least one of its depending tensors, '{root.name}', is not connected")
        raise ConfigError(sentence, "steps wait for each other's outputs" if tensor.sources else "no step has it")


def _first_missing(tensor: _Tensor) -> _Tensor:
    """Follow what is not ready towards the inputs; a circle ends at its last new tensor."""
    seen: set[str] = set()
    while True:
        ahead = next((s for s in tensor.sources if not s.is_ready and s.name not in seen), None)
        if ahead is None:
            return tensor
        seen.add(ahead.name)
        tensor = ahead
