"""`import burnish` is light; its names arrive when they are used; its functions are ordinary ones."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import burnish

ROOT = Path(__file__).parents[1]
HEAVY = ("onnx", "onnx_ir", "onnxscript", "llvmlite", "numpy", "typer", "rich", "cryptography", "onnxruntime")


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_import_burnish_imports_nothing_heavy() -> None:
    assert run(f"import sys, burnish; print([m for m in {HEAVY!r} if m in sys.modules])") == "[]\n"


@pytest.mark.parametrize("name", sorted(set(burnish.__all__) - {"__version__"}))
def test_every_public_name_is_there(name: str) -> None:
    assert callable(getattr(burnish, name))
    assert name in dir(burnish)


def test_the_version_is_the_projects() -> None:
    assert burnish.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'biuld'"):
        burnish.biuld  # noqa: B018


@pytest.mark.parametrize("name", ["bench", "build", "verify"])
def test_a_function_of_the_package_is_an_ordinary_function(name: str) -> None:
    function = getattr(burnish, name)
    assert inspect.isfunction(function)
    assert pickle.loads(pickle.dumps(function)) is function
    assert any(p.kind is not p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())
