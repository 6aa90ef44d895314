"""`burnish inspect sparsity`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx_ir as ir

from tests.cli.conftest import Command
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
