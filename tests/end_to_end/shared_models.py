"""The trained models beside this checkout (`../shared/models`): where they lie, their stored vectors, their sounds."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

Array = np.ndarray[Any, Any]
MODELS = Path(__file__).parents[2] / ".." / "shared" / "models"


@dataclass(frozen=True)
class Vector:
    """Inputs and the outputs stored beside them, by name."""

    inputs: dict[str, Array]
    outputs: dict[str, Array]


def model_path(name: str) -> Path:
    """The model's file; the test is skipped where the shared models are absent."""
    path = MODELS / name / "model.onnx"
    if not path.exists():
        pytest.skip("the shared models are not beside this checkout")
    return path


def vectors(name: str) -> list[Vector]:
    """Every test_data_set_N, in order."""
    path = model_path(name)
    graph = onnx.load(str(path), load_external_data=False).graph
    constants = {t.name for t in graph.initializer}
    inputs = [v.name for v in graph.input if v.name not in constants]
    outputs = [v.name for v in graph.output]
    folders = sorted(path.parent.glob("test_data_set_*"))
    return [Vector(_tensors(f, "input", inputs), _tensors(f, "output", outputs)) for f in folders]


def _tensors(folder: Path, kind: str, names: list[str]) -> dict[str, Array]:
    found = {}
    for index, name in enumerate(names):
        tensor = onnx.TensorProto.FromString((folder / f"{kind}_{index}.pb").read_bytes())
        found[name] = numpy_helper.to_array(tensor)
    return found


def sound(path: Path) -> Array:
    """A mono 16-bit wave file as f32 in [-1, 1)."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return samples.astype(np.float32) / 32768
