"""What `make demo` runs, and the files it ships."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_demo_builds_verifies_measures_and_classifies() -> None:
    found = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / "demo.py"], capture_output=True, text=True, timeout=240
    )
    assert found.returncode == 0, found.stdout + found.stderr
    for part in ("1. build", "2. verify", "3. benchmark", "onnxruntime", "40 of 40 held-out images right", "read as"):
        assert part in found.stdout


def test_the_model_still_holds_the_normalisations_that_the_passes_fold() -> None:
    operators = [node.op_type for node in onnx.load(EXAMPLES / "digits.onnx").graph.node]
    assert operators.count("BatchNormalization") == 5 and "Add" in operators and "MaxPool" in operators


def test_the_model_is_right_on_the_samples_it_ships() -> None:
    samples = np.load(EXAMPLES / "digits_samples.npz")
    session = onnxruntime.InferenceSession(EXAMPLES / "digits.onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"image": samples["images"]})
    np.testing.assert_array_equal(logits.argmax(1), samples["labels"])


def test_the_examples_need_no_more_than_a_megabyte() -> None:
    assert sum(p.stat().st_size for p in EXAMPLES.glob("*") if p.is_file()) < 1 << 20
