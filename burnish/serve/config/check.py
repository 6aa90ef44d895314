"""Is a completed configuration one that a model can be served with? Refusals are in Triton's words, in its order."""

from __future__ import annotations

from itertools import pairwise
from math import isfinite

from burnish.serve.config.backends import ENSEMBLE, check_backend
from burnish.serve.config.check_ensemble import check_ensemble
from burnish.serve.config.check_sequence import check_sequence
from burnish.serve.config.refusal import ConfigError
from burnish.serve.proto import model_config_pb2 as pb


def check_config(config: pb.ModelConfig) -> None:
    """All but tensors and instance groups, which may be known later: they come from the model and the machine."""
    name = config.name
    if not name:
        raise ConfigError("model configuration must specify 'name'")
    check_backend(config)
    if config.max_batch_size < 0:
        raise ConfigError(f"'max_batch_size' must be non-negative value for {name}")
    if not config.HasField("version_policy"):
        raise ConfigError(f"must specify 'version policy' for {name}")
    if config.HasField("dynamic_batching"):
        _check_dynamic(config)
    if config.HasField("sequence_batching"):
        check_sequence(config)
    if config.HasField("ensemble_scheduling"):
        check_ensemble(config)
    elif config.platform == ENSEMBLE:
        sentence = f"ensemble scheduling must be set for ensemble {name} whose platform is {ENSEMBLE}"
        raise ConfigError(sentence)
    if config.model_transaction_policy.decoupled and config.response_cache.enable:
        raise ConfigError(
            f"Response Cache does not currently support model {name} with 'decoupled' transaction policy. "
            "Please disable the response cache."
        )
    _check_metrics(config)
    _check_unknown_here(config)


def _check_unknown_here(config: pb.ModelConfig) -> None:
    """What Triton would act upon and this server does not: a model that is served otherwise than asked is no help."""
    if config.model_repository_agents.agents:
        agent = config.model_repository_agents.agents[0].name
        raise ConfigError("model repository agents are not supported", f"{config.name} asks for '{agent}'")
    if config.sequence_batching.iterative_sequence:
        raise ConfigError(
            "iterative sequences are not supported", f"let {config.name} be decoupled, and loop within one request"
        )


def check_name(config: pb.ModelConfig, folder: str) -> None:
    """A model is called as its folder is."""
    if config.name != folder:
        raise ConfigError(
            f"unexpected directory name '{folder}' for model '{config.name}', directory name must equal model name"
        )


def _check_dynamic(config: pb.ModelConfig) -> None:
    batching, name = config.dynamic_batching, config.name
    for size in batching.preferred_batch_size:
        if size <= 0:
            raise ConfigError(f"dynamic batching preferred size must be positive for {name}")
        if size > config.max_batch_size:
            raise ConfigError(f"dynamic batching preferred size must be <= max batch size for {name}")
    levels = batching.priority_levels
    if levels:
        if not 1 <= batching.default_priority_level <= levels:
            raise ConfigError(f"default priority level must be in range [1, {levels}] for {name}")
        if any(not 1 <= level <= levels for level in batching.priority_queue_policy):
            raise ConfigError(f"priority queue policy must have priority level in range [1, {levels}] for {name}")
    if batching.preserve_ordering:
        if levels > 1:
            raise ConfigError(f"Only one priority level is allowed when 'preserve_ordering' is true for {name}")
        for policy in (batching.default_queue_policy, *batching.priority_queue_policy.values()):
            if policy.default_timeout_microseconds and policy.timeout_action == pb.ModelQueuePolicy.DELAY:
                raise ConfigError(
                    "Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true for " + name
                )


def _check_metrics(config: pb.ModelConfig) -> None:
    for control in config.model_metrics.metric_control:
        if not control.HasField("metric_identifier"):
            raise ConfigError("metric control must specify 'metric_identifier'")
        if not control.metric_identifier.family:
            raise ConfigError("metric identifier must specify non-empty 'family'")
        if not control.HasField("histogram_options"):
            raise ConfigError("metric control must specify 'histogram_options'")
        bounds = list(control.histogram_options.buckets)
        if not bounds:
            raise ConfigError("histogram options must specify non-empty 'buckets'")
        if not all(low < high for low, high in pairwise(bounds)) or not all(map(isfinite, bounds)):
            raise ConfigError("histogram options must specify finite 'buckets' in ascending order")
