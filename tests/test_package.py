"""`import burnish` is light; its names arrive when they are used; rooms that share a function's name can be called."""

from __future__ import annotations

import subprocess
import sys
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


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'biuld'"):
        burnish.biuld  # noqa: B018


@pytest.mark.parametrize(
    "first", ["import burnish.{0}", "from burnish.{0} import {0}", "import burnish; burnish.{0}", ""]
)
def test_a_room_can_be_called_whichever_import_comes_first(first: str) -> None:
    program = "".join(
        f"""
{first.format(name)}
import burnish, importlib
from burnish import {name} as direct
module = importlib.import_module("burnish.{name}")
assert callable(burnish.{name}) and callable(direct) and callable(module) and callable(module.{name})
"""
        for name in ("bench", "build", "verify")
    )
    run(program)


def test_calling_a_room_calls_its_function(monkeypatch: pytest.MonkeyPatch) -> None:
    import burnish.verify

    monkeypatch.setattr(burnish.verify, "verify", lambda *arguments, **options: (arguments, options))
    assert burnish.verify("a", b=1) == (("a",), {"b": 1})  # type: ignore[operator]
