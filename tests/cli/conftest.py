"""A model, its plan, and a way to run a command as a shell would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import onnx
import pytest

import burnish
from burnish.cli import main
from tests.small_model import small_model


class Done(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: object) -> Done:
        capfd.readouterr()
        code = main([str(a) for a in arguments])
        return Done(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "small.onnx"
    onnx.save(small_model(), str(path))
    return path


@pytest.fixture(scope="session")
def plan(model: Path) -> Path:
    """Runs n = 1 .. 8."""
    path = model.with_suffix(".plan")
    burnish.build(model, profile={"x": ((1, 4), (2, 4), (8, 4))}).save(path)
    return path
