"""A function that a user keeps in a Python file: a preprocessing, a decoder of outputs, a metric."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any


def load_function(path: Path, name: str) -> Callable[..., Any]:
    """Run the file, and give its function. What the file raises passes; ValueError if it has no such function."""
    spec = importlib.util.spec_from_file_location(f"burnish_file_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError("its name does not end in .py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = getattr(module, name, None)
    if not callable(found):
        raise ValueError(f"it has no function {name}")
    return found  # type: ignore[no-any-return]
