"""Does an ensemble fit the models that its steps name? Types, shapes, batch sizes, and which answers go together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from burnish.serve.config.check_model import shape_text
from burnish.serve.config.refusal import ConfigError
from burnish.serve.config.show import type_name
from burnish.serve.proto import model_config_pb2 as pb

ANY = -1
NEWEST = -1


@dataclass(slots=True)
class _Tensor:
    """A tensor of the ensemble, and the model that its type and shape were first seen in.

    step    the step that writes it, -1 for none
    stream  0 for what comes once a request; each decoupled step starts a stream of its own
    """

    model: str
    data_type: int
    dims: tuple[int, ...]
    is_batched: bool
    step: int = -1
    stream: int = 0
    is_reached: bool = False
    sources: list[_Tensor] = field(default_factory=list)
    readers: list[_Tensor] = field(default_factory=list)

    @property
    def full(self) -> tuple[int, ...]:
        return (ANY, *self.dims) if self.is_batched else self.dims


def check_steps(config: pb.ModelConfig, models: Mapping[str, pb.ModelConfig]) -> None:
    """Compare with the models' completed configurations, and set whether the ensemble is decoupled.

    raises: ConfigError in Triton's words
    """
    steps = config.ensemble_scheduling.step
    missing = next((s.model_name for s in steps if s.model_name not in models), None)
    if missing is not None:
        raise ConfigError(f"ensemble {config.name} contains models that are not available or ambiguous: {missing}")
    tensors: dict[str, _Tensor] = {}
    for own in (*config.input, *config.output):
        dims = own.reshape.shape if own.HasField("reshape") else own.dims
        is_batched = config.max_batch_size > 0
        tensors.setdefault(own.name, _Tensor(config.name, own.data_type, tuple(dims), is_batched))
    for place, step in enumerate(steps):
        model = models[step.model_name]
        if 0 < model.max_batch_size < config.max_batch_size:
            raise ConfigError(
                f"ensemble {config.name} allows maximum batch size {config.max_batch_size}, but it contains model "
                f"{step.model_name} which only allows maximum batch size to be {model.max_batch_size}"
            )
        _map_inputs(config.name, step, model, tensors)
        _map_outputs(config.name, step, model, tensors)
        for name in step.output_map.values():
            tensor = tensors[name]
            tensor.step = place
            for source in step.input_map.values():
                tensor.sources.append(tensors[source])
                tensors[source].readers.append(tensor)
    config.model_transaction_policy.decoupled = _streams(config, models, tensors) > 0


def check_step_versions(config: pb.ModelConfig, served: Mapping[str, Collection[int]]) -> None:
    """A step that names a version needs that one. `served`: by the model's name, of those that are loaded."""
    for step in config.ensemble_scheduling.step:
        if step.model_version != NEWEST and step.model_version not in served.get(step.model_name, ()):
            raise ConfigError(
                f"ensemble '{config.name}' depends on '{step.model_name}' whose required version {step.model_version} "
                "is not loaded."
            )


def check_circles(config: pb.ModelConfig, models: Mapping[str, pb.ModelConfig]) -> None:
    """An ensemble must not be a step of itself, however far down."""
    start = config.name
    waiting, seen = [config], set()
    while waiting:
        found = waiting.pop()
        for step in found.ensemble_scheduling.step:
            if step.model_name == start:
                way = f"{start} -> ... -> {found.name} -> {start}"
                raise ConfigError(f"circular dependency between ensembles: {way}")
            if step.model_name in models and step.model_name not in seen:
                seen.add(step.model_name)
                waiting.append(models[step.model_name])


def _map_inputs(
    ensemble: str, step: pb.ModelEnsembling.Step, model: pb.ModelConfig, tensors: dict[str, _Tensor]
) -> None:
    known = {t.name for t in model.input}
    for name, tensor in step.input_map.items():
        if name not in known:
            raise ConfigError(
                f"in ensemble {ensemble}, ensemble tensor {tensor} is mapping to non-existing input {name} in model "
                f"{step.model_name}"
            )
    for found in model.input:
        if found.name in step.input_map:
            _agree(ensemble, step, step.input_map[found.name], found, model, tensors)
        elif not found.optional:
            raise ConfigError(
                f"in ensemble {ensemble}, input {found.name} in model {step.model_name} is not mapped to any ensemble "
                "tensors"
            )


def _map_outputs(
    ensemble: str, step: pb.ModelEnsembling.Step, model: pb.ModelConfig, tensors: dict[str, _Tensor]
) -> None:
    known = {t.name: t for t in model.output}
    for name, tensor in step.output_map.items():
        if name not in known:
            raise ConfigError(
                f"in ensemble {ensemble}, ensemble tensor {tensor} is mapped from non-existing output {name} in model "
                f"{step.model_name}"
            )
    for name, tensor in step.output_map.items():
        _agree(ensemble, step, tensor, known[name], model, tensors)


def _agree(
    ensemble: str,
    step: pb.ModelEnsembling.Step,
    name: str,
    of_model: pb.ModelInput | pb.ModelOutput,
    model: pb.ModelConfig,
    tensors: dict[str, _Tensor],
) -> None:
    mine = _Tensor(step.model_name, of_model.data_type, tuple(of_model.dims), model.max_batch_size > 0)
    other = tensors.setdefault(name, mine)
    start = f"in ensemble {ensemble}, ensemble tensor {name}: "
    if other.data_type != mine.data_type:
        raise ConfigError(
            f"{start}inconsistent data type: {type_name(other.data_type)} is inferred from model {other.model} while "
            f"{type_name(mine.data_type)} is inferred from model {mine.model}"
        )
    if not _fit(other.dims, mine.dims) and not _fit(other.full, mine.full):
        raise ConfigError(
            f"{start}inconsistent shape: {shape_text(other.full)} is inferred from model {other.model} while "
            f"{shape_text(mine.full)} is inferred from model {mine.model}"
        )


def _fit(one: Sequence[int], other: Sequence[int]) -> bool:
    return len(one) == len(other) and all(a == b or ANY in (a, b) for a, b in zip(one, other))


def _streams(config: pb.ModelConfig, models: Mapping[str, pb.ModelConfig], tensors: dict[str, _Tensor]) -> int:
    """Number the streams that decoupled steps start; a step may not join two. Returns how many there are."""
    steps = config.ensemble_scheduling.step
    count = 0
    of_step: dict[int, int] = {}
    queue = [tensors[t.name] for t in config.input]
    for tensor in queue:
        tensor.is_reached = True
    for tensor in queue:  # grows while it is walked
        for reader in tensor.readers:
            if reader.is_reached or not all(s.is_reached for s in reader.sources):
                continue
            stream = _one_stream(config, reader.model, reader.sources)
            if reader.step not in of_step:
                is_decoupled = models[steps[reader.step].model_name].model_transaction_policy.decoupled
                count += is_decoupled
                of_step[reader.step] = count if is_decoupled else stream
            reader.stream, reader.is_reached = of_step[reader.step], True
            queue.append(reader)
    _one_stream(config, config.name, [tensors[t.name] for t in config.output])
    return count


def _one_stream(config: pb.ModelConfig, reader: str, sources: Sequence[_Tensor]) -> int:
    streams = {s.stream for s in sources}
    if len(streams) > 1:
        raise ConfigError(
            f"in ensemble {config.name}, step of model '{reader}' receives inputs originated from different decoupled "
            "models"
        )
    return streams.pop() if streams else 0
