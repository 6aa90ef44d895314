"""Inputs to verify with: arrays, an .npz, or a folder laid out as in ONNX's model zoo (test_data_set_0/input_0.pb)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from burnish.errors import UserError

Array = np.ndarray[Any, Any]
Data = str | Path | Mapping[str, Array]


def load_cases(data: Data, input_names: Sequence[str]) -> dict[str, dict[str, Array]]:
    """Sets of inputs by name: one for a mapping or an .npz, one for each test_data_set folder.

    raises: E713 if it holds no inputs or cannot be read
    """
    if isinstance(data, Mapping):
        return {"data": dict(data)}
    path = Path(data)
    folders = sorted(f for f in path.glob("test_data_set_*") if f.is_dir()) or ([path] if path.is_dir() else [])
    try:
        if folders:
            return {folder.name: _read_folder(folder, input_names) for folder in folders}
        with np.load(path, allow_pickle=False) as archive:
            return {path.name: {name: archive[name] for name in archive.files}}
    except UserError:
        raise
    except Exception as error:  # numpy, zipfile and protobuf raise a dozen kinds
        raise _no_data(path, f"{type(error).__name__}: {error}") from error


def _read_folder(folder: Path, input_names: Sequence[str]) -> dict[str, Array]:
    """input_N.pb is the model's N-th input, unless its tensor has the name of another input."""
    import onnx
    from onnx import numpy_helper

    files = sorted(folder.glob("input_*.pb"), key=lambda f: int(re.sub(r"\D", "", f.stem) or 0))
    if not files:
        archives = sorted(folder.glob("*.npz"))
        if not archives:
            raise _no_data(folder, "it holds neither input_0.pb nor an .npz")
        with np.load(archives[0], allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files if name in input_names}
    found = {}
    for name, file in zip(input_names, files):
        tensor = onnx.load_tensor(str(file))
        found[tensor.name if tensor.name in input_names else name] = np.asarray(numpy_helper.to_array(tensor))
    return found


def _no_data(path: Path, why: str) -> UserError:
    return UserError("E713", f"{path} holds no inputs", why=why, hint="give an .npz, or a folder with input_0.pb")
