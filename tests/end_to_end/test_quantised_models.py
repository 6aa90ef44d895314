"""Small quantised models of every tool, against ONNX Runtime without its optimisations (shared/quantised/README.md)."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import burnish
from burnish.target import parse_target
from tests.end_to_end.oracle import Array
from tests.targets.cpu.run_kernel import runnable

CASES = Path(__file__).parents[2].parent / "shared" / "quantised"
NAMES = sorted(p.name for p in CASES.iterdir() if p.is_dir()) if CASES.is_dir() else []
TARGETS = [t for t in ("cpu:x86-64-v2", "cpu:x86-64-v3", "cpu:x86-64-v4+vnni") if runnable(parse_target(t))]
# The largest difference that the forms promise. Codes are equal, or one step apart where f32 and the exact sum lie on
# either side of a tie; f32 behind them differs by a few roundings, or by that step.
STEP = {"ort_digits_qdq_a16w8_int": 1.0, "ort_cnn_qdq_u8s8_pc": 0.004}
ROUNDINGS = 2e-6


@functools.cache
def arrays(name: str, kind: str) -> tuple[Array, ...]:
    folder = CASES / name / "test_data_set_0"
    count = len(list(folder.glob(f"{kind}_*.pb")))
    return tuple(numpy_helper.to_array(onnx.load_tensor(folder / f"{kind}_{n}.pb")) for n in range(count))


@pytest.mark.skipif(not NAMES, reason="needs the shared models beside the repository")
@pytest.mark.parametrize("name", NAMES)
def test_answers_are_those_of_the_operators_as_they_stand_in_the_file(name: str) -> None:
    model = onnx.load(CASES / name / "model.onnx")
    own = {i.name for i in model.graph.initializer}
    feeds = dict(zip((i.name for i in model.graph.input if i.name not in own), arrays(name, "input"), strict=True))
    target = TARGETS[NAMES.index(name) % len(TARGETS)]
    plan = burnish.build(model, target=target, shapes={n: a.shape for n, a in feeds.items()})
    with burnish.load(plan, threads=1) as engine:
        found = engine(feeds)
    for got, want in zip(found.values(), arrays(name, "output"), strict=True):
        assert (got.dtype, got.shape) == (want.dtype, want.shape)
        reach = max(float(np.abs(want.astype(np.float64)).max()), 1.0) if want.dtype.kind == "f" else 0.0
        limit = STEP.get(name, ROUNDINGS * reach)
        np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=0, atol=limit)


@pytest.mark.skipif(not NAMES, reason="needs the shared models beside the repository")
@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("hand_qlinearconv_zero_points", [*TARGETS, "cpu:x86-64-v3+checked"]),
        ("ort_cnn_qop_s8s8", ["cpu:x86-64-v3+checked"]),
    ],
)
def test_integer_operators_are_equal_bit_by_bit_on_every_target(name: str, targets: list[str]) -> None:
    """Also in checked code, which compares every address with the tensor that it belongs to."""
    model = onnx.load(CASES / name / "model.onnx")
    feeds = dict(zip((i.name for i in model.graph.input), arrays(name, "input"), strict=True))
    for target in targets:
        plan = burnish.build(model, target=target, shapes={n: a.shape for n, a in feeds.items()})
        with burnish.load(plan, threads=2) as engine:
            (found,), (want,) = engine(feeds).values(), arrays(name, "output")
            np.testing.assert_array_equal(found, want)
