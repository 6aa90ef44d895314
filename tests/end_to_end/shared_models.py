"""The trained models beside this checkout (`../shared/models`): where they lie, their stored vectors, their sounds."""

from __future__ import annotations

import functools
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import burnish
from burnish.importers.profile import Range

Array = np.ndarray[Any, Any]
MODELS = Path(__file__).parents[2] / ".." / "shared" / "models"
PAST = [f"past_key_values.{layer}.{kind}" for layer in range(5) for kind in ("key", "value")]
PROFILES: dict[str, dict[str, Range]] = {
    "superres_10": {"input": ((1, 1, 224, 224), (1, 1, 224, 224), (2, 1, 224, 224))},
    "magika_v3_3": {"bytes": ((1, 2048), (1, 2048), (76, 2048))},
    "ppocr_det_v11": {"image": ((1, 3, 32, 32), (1, 3, 320, 320), (1, 3, 640, 640))},
    "stories260k": {
        "input_ids": ((1, 1), (1, 1), (3, 16)),
        **dict.fromkeys(PAST, ((1, 4, 0, 8), (1, 4, 64, 8), (3, 4, 256, 8))),
    },
    "silero_vad_v5": {"input": ((1, 288), (1, 576), (4, 576)), "state": ((2, 1, 128), (2, 1, 128), (2, 4, 128))},
}


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


@functools.lru_cache(maxsize=4)
def plan_of(name: str) -> burnish.Plan:
    """The model's plan, for its profile if it has dynamic inputs; built once for the tests that share it."""
    return burnish.build(model_path(name), profile=PROFILES.get(name))


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
