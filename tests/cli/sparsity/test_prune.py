"""`burnish prune` and `burnish inspect sparsity`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Command

EXAMPLES = Path(__file__).parents[3] / "examples"
MODEL, SAMPLES = EXAMPLES / "digits.onnx", EXAMPLES / "digits_samples.npz"


def test_a_model_is_pruned_compared_and_inspected(command: Command, tmp_path: Path) -> None:
    pruned = tmp_path / "p.onnx"
    done = command("prune", MODEL, "-o", pruned, "--pattern", "channels", "--data", SAMPLES, "--compare", SAMPLES)
    assert done.code == 0 and "16 of 32 channels stay" in done.out and "1 - cosine" in done.out, done.err
    assert "--measure" not in done.err, "fewer channels need no such kernels"
    shown = command("inspect", "sparsity", pruned)
    assert shown.code == 0 and "16x16x3x3" in shown.out and "no zeros that give anything" in shown.err
    two = command("prune", MODEL, "-o", pruned, "--pattern", "2:4", "--json")
    assert two.code == 0 and "50%" in json.loads(two.out)["layers"]["/classifier/Gemm"]
    told = command("inspect", "sparsity", pruned, "--json")
    assert json.loads(told.out)["layers"][-1]["groups"] == 1.0


def test_accuracy_that_was_not_measured_is_said(command: Command, tmp_path: Path) -> None:
    done = command("prune", MODEL, "-o", tmp_path / "p.onnx", "--pattern", "2:4")
    assert done.code == 0 and "not measured" in done.err and "p.onnx --measure times them" in done.err


def test_two_of_four_gives_nothing_on_gpus_and_is_told_with_what_was_measured(command: Command, tmp_path: Path) -> None:
    pruned = tmp_path / "p.onnx"
    for told in (command("prune", MODEL, "-o", pruned, "--pattern", "2:4"), command("inspect", "sparsity", pruned)):
        assert "no kernel uses sparse tensor cores" in told.err and "1.8 in int8" in told.err
    assert "sparse tensor cores" not in command("inspect", "sparsity", MODEL).err
    assert "sparse tensor cores" not in command("prune", MODEL, "-o", pruned, "--pattern", "unstructured").err


def test_a_pattern_that_is_none_writes_nothing(command: Command, tmp_path: Path) -> None:
    done = command("prune", MODEL, "-o", tmp_path / "p.onnx", "--pattern", "half")
    assert done.code == 2 and "E770" in done.err and not (tmp_path / "p.onnx").exists()
