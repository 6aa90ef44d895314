"""Which backend a configuration names."""

from __future__ import annotations

from pathlib import Path

from burnish.serve.backends.loading import Loading, Place, Tell
from burnish.serve.backends.onnx import built_plan
from burnish.serve.backends.plan import PlanLoading
from burnish.serve.backends.python.loading import PythonLoading
from burnish.serve.config.backends import served_by
from burnish.serve.config.named_file import named_file
from burnish.serve.proto import model_config_pb2 as pb


async def begin(config: pb.ModelConfig, folder: Path, number: int, place: Place, tell: Tell) -> Loading:
    """Read the model of one version. ServeError if the backend is unknown or the file is damaged."""
    kind = served_by(config)
    file = named_file(folder, f"{number}/{config.default_model_filename}")
    if kind == "python":
        return await PythonLoading.begin(config, folder, number, place)
    if kind == "onnx":
        file = await built_plan(file, config, place, tell)
    return await PlanLoading.begin(file, config, place)
