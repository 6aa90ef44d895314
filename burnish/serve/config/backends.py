"""Which backend serves a model: what the configuration names, or what its version folder holds."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from burnish.serve.config.refusal import ConfigError
from burnish.serve.proto import model_config_pb2 as pb

ENSEMBLE = "ensemble"  # a platform; its backend is empty
BURNISH, ONNX, TENSORRT, PYTHON = "burnish", "onnxruntime", "tensorrt", "python"
TENSORFLOW, PYTORCH, OPENVINO = "tensorflow", "pytorch", "openvino"


class Backend(NamedTuple):
    """A backend's name, the platform that goes with it ("": any), its model file, and who runs it here ("": nobody)."""

    name: str
    platform: str
    file: str
    served_by: str


# In the order in which a version folder is looked through. A plan takes the place of TensorRT's engine: a configuration
# that names tensorrt serves one, and shows what it named.
BACKENDS = (
    Backend(BURNISH, "burnish_plan", "model.plan", "plan"),
    Backend(TENSORRT, "tensorrt_plan", "model.plan", "plan"),
    Backend(ONNX, "onnxruntime_onnx", "model.onnx", "onnx"),
    Backend(TENSORFLOW, "tensorflow_savedmodel", "model.savedmodel", ""),
    Backend(TENSORFLOW, "tensorflow_graphdef", "model.graphdef", ""),
    Backend(OPENVINO, "", "model.xml", ""),
    Backend(PYTORCH, "pytorch_libtorch", "model.pt", ""),
    Backend(PYTHON, "", "model.py", "python"),
)
_PLATFORMS = {row.platform: row.name for row in BACKENDS if row.platform}


def complete_backend(config: pb.ModelConfig, model: str, files: Collection[str] = ()) -> None:
    """Fill in name, backend, platform and model file.

    model   the name of the model's folder
    files   what the first of its version folders holds
    """
    config.name = config.name or model
    for row in BACKENDS:
        if not config.backend and _is_meant(row, config, files):
            config.backend = row.name
        if config.backend == row.name and (not row.platform or config.platform in ("", row.platform)):
            config.platform = config.platform or row.platform
            config.default_model_filename = config.default_model_filename or row.file
            return
    if not (config.backend or config.platform or config.default_model_filename):
        _name_tells(config, model)


def served_by(config: pb.ModelConfig) -> str:
    """plan, onnx, python or ensemble; ConfigError for a backend that is not here."""
    if config.platform == ENSEMBLE:
        return ENSEMBLE
    for row in BACKENDS:
        if row.name == config.backend and row.served_by:
            return row.served_by
    sentence = (
        f"unable to find backend library for backend '{config.backend}', "
        "try specifying runtime on the model configuration."
    )
    raise ConfigError(sentence)


def check_backend(config: pb.ModelConfig) -> None:
    """Backend and platform must be named and go together."""
    if not config.backend and config.platform != ENSEMBLE:
        raise ConfigError(f"unexpected platform type '{config.platform}' for {config.name}")
    if config.backend and config.platform == ENSEMBLE:
        sentence = f"Ensemble model '{config.name}' must have platform type '{ENSEMBLE}' and empty backend type"
        raise ConfigError(sentence)
    paired = set(_PLATFORMS.values())
    if config.backend in paired and _PLATFORMS.get(config.platform) != config.backend:
        pair = f"{config.platform}, {config.backend}"
        raise ConfigError(f"unexpected 'platform' and 'backend' pair, got:{pair}")


def _is_meant(row: Backend, config: pb.ModelConfig, files: Collection[str]) -> bool:
    if config.platform in _PLATFORMS:
        return config.platform == row.platform
    if config.platform or config.default_model_filename:
        return config.default_model_filename == row.file
    return row.file in files


def _name_tells(config: pb.ModelConfig, model: str) -> None:
    _, dot, backend = model.partition(".")
    if not dot:
        sentence = (
            f"Invalid model name: Could not determine backend for model '{model}' with no backend in model "
            "configuration. Expected model name of the form 'model.<backend_name>'."
        )
        named = ", ".join(row.file for row in BACKENDS if row.served_by and row.name != TENSORRT)
        raise ConfigError(sentence, f"its first version folder holds none of {named}")
    config.backend, config.default_model_filename = backend, f"model.{backend}"
