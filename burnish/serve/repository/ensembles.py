"""Ensembles and the models of their steps: whether they fit together, now that a model has come, changed or gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from burnish.serve.config.check_steps import check_step_versions, check_steps
from burnish.serve.proto.model_config_pb2 import ModelConfig
from burnish.serve.repository.model import READY, UNAVAILABLE, Model, not_found
from burnish.serve.repository.version import ModelVersion
from burnish.serve.status import ServeError


def check_parts(config: ModelConfig, models: Mapping[str, Model]) -> None:
    """raises: ServeError if a model of a step is not ready, or does not fit the others"""
    names = part_names(config)
    for name in names:
        if name not in models:
            raise not_found(f"'{name}' is not found")
    check_steps(config, {name: models[name].find().config for name in names})
    check_step_versions(config, {name: models[name].ready() for name in names})


def fit_ensembles(models: Mapping[str, Model], changed: str) -> None:
    """A loaded ensemble is served while the models of its steps are, and fit; while they are not, it waits, unloaded.

    changed: the model that was loaded or unloaded
    """
    for model in list(models.values()):
        for held in model.versions.values():
            if held.version is None or changed not in part_names(held.version.config):
                continue
            fits = _fits(held.version.config, models)
            if fits != (held.state == READY):
                held.state, held.reason = (READY, "") if fits else (UNAVAILABLE, "unloaded")
                fit_ensembles(models, model.name)


def is_part_of_any(name: str, served: Iterable[ModelVersion]) -> bool:
    return any(name in part_names(version.config) for version in served)


def part_names(config: ModelConfig) -> set[str]:
    return {step.model_name for step in config.ensemble_scheduling.step}


def _fits(config: ModelConfig, models: Mapping[str, Model]) -> bool:
    try:
        check_parts(config, models)
    except ServeError:
        return False
    return True
