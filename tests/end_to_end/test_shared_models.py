"""Real trained models on their real samples: the stored outputs, and the task's own answer.

Models with fixed shapes are built once for all their vectors; models with dynamic ones once, for a profile that holds
every vector. (`tests/test_real_models.py` builds each for the very shapes of its samples.)
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

import burnish
from tests.end_to_end.oracle import Array, assert_near, tolerance
from tests.end_to_end.shared_models import MODELS, Vector, model_path, plan_of, vectors

Judge = Callable[[dict[str, Array]], object]
F16 = tolerance(np.dtype(np.float16), 26)


def top_class(outputs: dict[str, Array]) -> object:
    """Of the classes, the likeliest, for each row of the batch."""
    (scores,) = outputs.values()
    return scores.reshape(len(scores), -1).argmax(1).tolist()


def faces(scores: str, boxes: str, threshold: float, digits: int) -> Judge:
    """The anchors whose score is over the threshold, and their boxes."""

    def judge(outputs: dict[str, Array]) -> object:
        picked = np.flatnonzero(outputs[scores][0, :, 1] > threshold)
        assert picked.size, "there are faces in the picture"
        return picked.tolist(), (np.round(outputs[boxes][0, picked], digits) + 0.0).tolist()

    return judge


def text_pixels(outputs: dict[str, Array]) -> object:
    """Where there is text; within 1e-3 of the threshold either answer is right."""
    (likely,) = outputs.values()
    return np.where(np.abs(likely - 0.3) < 1e-3, 0, likely > 0.3).astype(int).tolist()


def nothing(_: dict[str, Array]) -> object:
    return None


# name: relative error, cosine, the task's own answer
FIXED: dict[str, tuple[float, float, Judge]] = {
    "mnist_cntk": (1e-5, 0.99999, top_class),
    "squeezenet_fp16": (F16, 0.9999, top_class),
    "ultraface_rfb320": (1e-4, 0.99999, faces("scores", "boxes", 0.7, 3)),
    "gtcrn": (1e-4, 0.99999, nothing),
    "retinaface_qdq": (1e-5, 0.99999, faces("RetinaFace::9554", "RetinaFace::9281", 0.6, 3)),
}
# ppocr: one rounding a folded weight, amplified; ONNX Runtime's own optimiser moves its answer by 1.1e-4.
# magika: its LayerNorms are E[x^2] - E[x]^2, which cancels all but two digits: in f32, ONNX Runtime's variances are
# up to 20 % from those in f64, and so every order of summation gives an answer of its own.
DYNAMIC: dict[str, tuple[float, float, Judge]] = {
    "superres_10": (1e-5, 0.99999, nothing),
    "magika_v3_3": (2e-3, 0.99999, top_class),
    "ppocr_det_v11": (1e-3, 0.99999, text_pixels),
    "stories260k": (1e-4, 0.99999, lambda outputs: outputs["logits"].argmax(-1).tolist()),
    "silero_vad_v5": (1e-4, 0.99999, nothing),
}
SLOW = {"retinaface_qdq", "ppocr_det_v11", "magika_v3_3"}


def named(names: dict[str, tuple[float, float, Judge]]) -> list[object]:
    return [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in names]


def check(plan: burnish.Plan, cases: list[Vector], limits: tuple[float, float, Judge]) -> None:
    relative, cosine, judge = limits
    for threads in (1, 2):
        with burnish.load(plan, threads=threads) as engine:
            for case in cases:
                got = engine(case.inputs)
                assert_near(got, case.outputs, relative, cosine)
                assert judge(got) == judge(case.outputs)


@pytest.mark.parametrize("name", named(FIXED))
def test_a_model_of_fixed_shapes_gives_its_stored_outputs(name: str):
    cases = vectors(name)
    plan = plan_of(name)
    assert not any("reference kernel" in note for note in plan.manifest.notes), plan.manifest.notes
    check(plan, cases, FIXED[name])


@pytest.mark.parametrize("name", named(DYNAMIC))
def test_one_profile_serves_every_stored_vector(name: str):
    cases = vectors(name)
    check(plan_of(name), cases, DYNAMIC[name])


@pytest.mark.slow
def test_magika_names_the_type_of_every_sample():
    path = model_path("magika_v3_3")
    known = json.loads((path.parent / "labels.json").read_text())
    files = {p.name: p for p in sorted((MODELS / "magika_v3_3" / "samples").rglob("*")) if p.is_file()}
    plan = plan_of("magika_v3_3")
    wanted = {n: label for n, label in zip(known["files"], known["expected"], strict=True) if n in files}
    assert len(wanted) > 60, "some of the samples may not be redistributed; most are here"
    rows = []
    for name in wanted:
        content = files[name].read_bytes()
        rows.append(_padded(content.lstrip()[:1024], front=False) + _padded(content.rstrip()[-1024:], front=True))
    with burnish.load(plan, threads=2) as engine:
        (scores,) = engine({"bytes": np.array(rows, np.int32)}).values()
    assert [known["labels"][n] for n in scores.argmax(1)] == list(wanted.values())


def _padded(content: bytes, front: bool) -> list[int]:
    """1024 numbers: magika pads the head behind and the tail in front, with 256."""
    padding = [256] * (1024 - len(content))
    return padding + list(content) if front else list(content) + padding
