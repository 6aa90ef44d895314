"""Whole models on the GPU, in every precision, against ONNX Runtime's f32 and the outputs stored beside them."""

from __future__ import annotations

import numpy as np
import pytest

import burnish
from tests.end_to_end.architectures import FULL, SMALL
from tests.end_to_end.oracle import answers, session, shapes
from tests.end_to_end.shared_models import PROFILES, model_path, vectors
from tests.end_to_end.test_architectures import depth

STEPS = {"fp32": 2.0**-23, "fp16": 2.0**-10, "bf16": 2.0**-7}  # of one rounding
SHARED = (
    "mnist_cntk", "squeezenet_fp16", "ultraface_rfb320", "superres_10", "ppocr_det_v11", "stories260k", "gtcrn",
    "magika_v3_3", "retinaface_qdq", "silero_vad_v5",
)  # fmt: skip
# of the largest output: what roundings of one layer come to after all of them, in models that amplify them
AMPLIFIES = {"ppocr_det_v11": 50.0, "magika_v3_3": 600.0, "gtcrn": 20.0}


def difference(got: np.ndarray, want: np.ndarray) -> tuple[float, float]:
    """Largest error in units of the largest magnitude, and 1 - cosine."""
    a, b = got.astype(np.float64).ravel(), want.astype(np.float64).ravel()
    assert np.isfinite(a).all()
    error = float(np.abs(a - b).max(initial=0) / max(np.abs(b).max(initial=0), 1e-30))
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return error, 1 - float(a @ b) / norm if norm else 0.0


def check(got: dict[str, np.ndarray], want: dict[str, np.ndarray], step: float, layers: int, factor: float) -> None:
    for name, reference in want.items():
        if reference.dtype.kind == "f" and reference.size:
            error, angle = difference(got[name], reference)
            print(f"{name}: error {error:.1e} of at most {16 * step * layers**0.5 * factor:.1e}, angle {angle:.1e}")
            assert error <= 16 * step * layers**0.5 * factor
        else:
            np.testing.assert_array_equal(got[name], reference)


@pytest.mark.parametrize("precision", STEPS)
@pytest.mark.parametrize("name", SMALL)
def test_a_small_architecture(name: str, precision: str):
    architecture = SMALL[name]
    model = architecture.make()
    oracle = session(model)
    feeds = architecture.feeds(batch=2)
    plan = burnish.build(model, shapes=shapes(feeds), target="cuda", precision=precision)
    with burnish.load(plan, device="cuda") as engine:
        for _ in range(3):  # eagerly, captured, replayed
            check(engine(feeds), answers(oracle, feeds), STEPS[precision], depth(model), 1.0)


@pytest.mark.parametrize("name", SMALL)
def test_one_profile_serves_every_shape_in_it(name: str):
    architecture = SMALL[name]
    model = architecture.make()
    oracle = session(model)
    low, best, high = (architecture.feeds(*sizes) for sizes in ((1, 1), (2, 16), (4, 32)))
    profile = {k: (low[k].shape, best[k].shape, high[k].shape) for k in low}
    plan = burnish.build(model, profile=profile, target="cuda", precision="fp16")
    with burnish.load(plan, device="cuda") as engine:
        for feeds in (low, high, best, low):
            check(engine(feeds), answers(oracle, feeds), STEPS["fp16"], depth(model), 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL)
def test_a_full_architecture_in_half_precision(name: str):
    architecture = FULL[name]
    model = architecture.make()
    feeds = architecture.feeds(batch=1)
    plan = burnish.build(model, shapes=shapes(feeds), target="cuda", precision="fp16")
    with burnish.load(plan, device="cuda") as engine:
        check(engine(feeds), answers(session(model), feeds), STEPS["fp16"], depth(model), 1.0)


@pytest.mark.parametrize("precision", STEPS)
@pytest.mark.parametrize("name", SHARED)
def test_a_trained_model_gives_its_stored_outputs(name: str, precision: str):
    path = model_path(name)
    plan = burnish.build(path, profile=PROFILES.get(name), target="cuda", precision=precision, allow_fallback=True)
    step = max(STEPS[precision], STEPS["fp16"] if name == "squeezenet_fp16" else 0.0)
    layers = max(depth(path.read_bytes()), 10)
    with burnish.load(plan, device="cuda") as engine:
        for case in vectors(name):
            check(engine(case.inputs), case.outputs, step, layers, AMPLIFIES.get(name, 1.0))
