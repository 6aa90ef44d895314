"""`burnish inspect sparsity`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from burnish.cli.sparsity.inspect_sparsity import gain_notes
from burnish.sparsity import Gain, Gains
from tests.cli.conftest import Command
from tests.kernels.test_mark_zeros import product
from tests.passes.golden import build


def test_channels_that_builds_remove_are_told(command: Command, tmp_path: Path) -> None:
    weights = np.ones((16, 8, 1, 1), np.float32)
    weights[:8] = 0
    model = build("float[1,8,4,4] x", "h = Conv(x, v) k = Relu(h) y = Conv(k, w)", v=weights, w=(4, 16, 1, 1))
    path = tmp_path / "m.onnx"
    ir.save(model, path)
    shown = command("inspect", "sparsity", path)
    assert shown.code == 0 and "16x8x1x1" in shown.out
    assert "96 weights (50.0%) belong to channels that are always 0" in shown.err
    told = json.loads(command("inspect", "sparsity", path, "--json").out)
    assert told["taken_out"] == 96 and told["layers"][0]["dead_outputs"] == 8


def test_outputs_that_a_bias_keeps_are_told(command: Command, tmp_path: Path) -> None:
    weights = np.zeros((16, 8, 1, 1), np.float32)
    model = build("float[1,8,4,4] x", "h = Conv(x, v, b) y = Conv(h, w)", v=weights, b=(16,), w=(4, 16, 1, 1))
    path = tmp_path / "m.onnx"
    ir.save(model, path)
    assert "16 outputs have no weights, but a bias" in command("inspect", "sparsity", path).err


def test_what_zeros_give_is_told_and_measured(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(product(1, 0.6).SerializeToString())
    shown = command("inspect", "sparsity", path)
    assert "1 layers (0 of them 2:4) have a quarter of zeros or more" in shown.err
    gain = Gain(("first", "second"), 4, 0.5, 300.0, 200.0, False)
    found = Gains("cpu:x86-64-v4", True, 5 << 20, 64 << 20, (gain,))
    monkeypatch.setattr("burnish.sparsity.time_products", lambda model, **options: found)
    shown = command("inspect", "sparsity", path, "--measure", "--threads", "1")
    assert "first and 1 like it" in shown.out and "1.50" in shown.out and "keeps them" in shown.out
    assert "timed on cpu:x86-64-v4" in shown.err and "5 MB of constants may stay in a cache" in shown.err
    told = json.loads(command("inspect", "sparsity", path, "--measure", "--json").out)
    assert told["measured"]["layers"][0]["sparse_us"] == 200.0


def test_what_a_measurement_says_in_each_case() -> None:
    size = 64 << 20
    assert "has no AVX-512" in gain_notes(Gains("cpu:x86-64-v3", False, size, size, ()))[0]
    assert "nothing was timed" in gain_notes(Gains("cpu:x86-64-v4", True, size, size, ()))[0]
    slow = Gains("cpu:x86-64-v4", True, size, size, (Gain(("a",), 8, 0.5, 100.0, 120.0, False),))
    assert gain_notes(slow)[1].startswith("1 are faster with their zeros: ")
