"""The same model and options give the same bytes: in another process, with other hash seeds, from another folder."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import burnish
from burnish.plan import to_bytes
from tests.end_to_end.architectures import SMALL
from tests.end_to_end.branching import branching
from tests.end_to_end.oracle import answers, assert_near, session

ROOT = Path(__file__).parents[2]
IMAGE = {"pixel_values": ((1, 3, 48, 48), (2, 3, 48, 48), (4, 3, 48, 48))}
TOKENS = dict.fromkeys(("input_ids", "attention_mask"), ((1, 1), (1, 16), (2, 32)))
MODELS = {
    "branching": (branching, {"x": ((1, 3, 12, 12), (1, 3, 12, 12), (2, 3, 12, 12)), "flag": ((), (), ())}),
    "mobilenet_v2": (SMALL["mobilenet_v2"].make, IMAGE),
    "bert": (SMALL["bert"].make, TOKENS),
}
PROGRAM = """
import sys, burnish
profile = eval(sys.argv[2])
burnish.build(sys.argv[1], profile=profile, target=["cpu:x86-64-v2", "cpu:x86-64-v3"]).save(sys.argv[3])
"""


def digest_elsewhere(model: bytes, profile: object, folder: Path, seed: str) -> str:
    """The SHA-256 of a plan built in a process of its own, which works in `folder`."""
    folder.mkdir()
    (folder / "model.onnx").write_bytes(model)
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "BURNISH_THREADS": seed}
    command = [sys.executable, "-c", PROGRAM, "model.onnx", repr(profile), "a.plan"]
    subprocess.run(command, check=True, env=environment, cwd=folder)
    return hashlib.sha256((folder / "a.plan").read_bytes()).hexdigest()


@pytest.mark.parametrize("name", MODELS)
def test_two_processes_give_equal_bytes(name: str, tmp_path: Path):
    make, profile = MODELS[name]
    model = make()
    digests = {digest_elsewhere(model, profile, tmp_path / f"folder{seed}", seed) for seed in ("1", "2")}
    assert len(digests) == 1


def test_a_second_build_in_one_process_gives_equal_bytes():
    """What the first build left in caches and counters does not show in the second."""
    make, profile = MODELS["branching"]
    model = make()
    first, second = (to_bytes(burnish.build(model, profile=profile)) for _ in range(2))
    assert hashlib.sha256(first).digest() == hashlib.sha256(second).digest()


def test_the_branching_model_has_what_it_is_for_and_gives_right_answers():
    make, profile = MODELS["branching"]
    model = make()
    plan = burnish.build(model, profile=profile)
    assert any("reference kernel" in note for note in plan.manifest.notes)
    x = np.random.default_rng(0).standard_normal((2, 3, 12, 12), np.float32)
    oracle = session(model)
    with burnish.load(plan, threads=2) as engine:
        for flag in (True, False):
            feeds = {"x": x, "flag": np.array(flag)}
            assert_near(engine(feeds), answers(oracle, feeds), 1e-5)
