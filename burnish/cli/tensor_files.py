"""Tensors from and to files: .npy, .npz, ONNX's .pb, raw bytes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from burnish.dtypes import DType
from burnish.errors import EnvironmentProblem, UserError
from burnish.plan import write_atomically
from burnish.plan.manifest import TensorSpec

Array = np.ndarray[Any, Any]


def read_inputs(files: Mapping[str, Path], specs: Sequence[TensorSpec]) -> dict[str, Array]:
    """Arrays by input name. The empty name means an .npz with all inputs, or the only input.

    raises: E616 for a file without a valid tensor, E617 for an unknown input name
    """
    by_name = {spec.name: spec for spec in specs}
    found: dict[str, Array] = {}
    for name, path in files.items():
        if name == "" and path.suffix == ".npz":
            found |= read_archive(path)
        elif name == "" and len(specs) == 1:
            found[specs[0].name] = read_tensor(path, specs[0])
        else:
            found[name] = read_tensor(path, by_name.get(name))
    for name in found:
        if name not in by_name:
            hint = "NAME=FILE" if name == "" else "burnish inspect plan shows the inputs"
            raise UserError(
                "E617", f"the plan has no input '{name}'", why=f"its inputs are {', '.join(by_name)}", hint=hint
            )
    return found


def read_archive(path: Path) -> dict[str, Array]:
    """Every array of an .npz."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # numpy and zipfile raise a dozen kinds
        raise _unreadable(path, error) from error


def read_tensor(path: Path, spec: TensorSpec | None = None) -> Array:
    """One array. Raw bytes need the spec's dtype, and its shape where that is fixed."""
    try:
        if path.suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        if path.suffix == ".pb":
            return _read_protobuf(path)
        data = path.read_bytes()
    except Exception as error:
        raise _unreadable(path, error) from error
    if zipfile.is_zipfile(path):
        why = "an archive has names of its own, one for each of its arrays"
        hint = f"leave {spec.name}= out, if the array in it has that name" if spec else "leave NAME= out"
        raise UserError("E616", f"{path} is an .npz archive, not a tensor", why=why, hint=hint)
    if spec is None or spec.dtype is DType.STRING or len(data) % spec.dtype.size_bytes:
        why = "its size is no multiple of the element's" if spec else "raw bytes have no type of their own"
        raise UserError("E616", f"{path} is not a tensor", why=why, hint="give a .npy or .npz file")
    flat = np.frombuffer(data, spec.dtype.numpy)
    fixed = [d for d in spec.shape if isinstance(d, int)]
    try:
        return flat.reshape([d if isinstance(d, int) else -1 for d in spec.shape])
    except ValueError as error:
        why = f"{flat.size} elements of {spec.dtype.value}; the input has the fixed dimensions {fixed}"
        raise UserError("E616", f"{path} does not fit input '{spec.name}'", why=why, hint="give a .npy file") from error


def _read_protobuf(path: Path) -> Array:
    import onnx  # only where a .pb is given; `burnish run` needs no onnx otherwise
    from onnx import numpy_helper

    return np.asarray(numpy_helper.to_array(onnx.load_tensor(str(path))))


def save_outputs(outputs: Mapping[str, Array], path: Path) -> None:
    """Save into one .npz, or as one .npy for each output in a folder, which is created if it is missing. E618."""
    try:
        if path.suffix == ".npz":
            write_atomically(path, [_archive(outputs)])
            return
        path.mkdir(parents=True, exist_ok=True)
        for name, array in outputs.items():
            np.save(path / f"{name.replace('/', '_') or 'output'}.npy", _storable(array))
    except (OSError, EnvironmentProblem) as error:
        why = error.why if isinstance(error, EnvironmentProblem) else str(error)
        raise EnvironmentProblem(
            "E618", f"{path} cannot be written", why=why, hint="free space, or choose a folder that is writable"
        ) from error


def _archive(outputs: Mapping[str, Array]) -> bytes:
    """Write an archive as numpy.savez does. numpy.savez itself cannot store an array named `file`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in outputs.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, _storable(array), allow_pickle=False)  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def _storable(array: Array) -> Array:
    """The array in a type of numpy's own: bf16 and f8 become f32, strings become fixed-width text."""
    if array.dtype == object:
        return array.astype(str)
    return (
        array.astype(np.float32) if array.dtype.kind == "V" or array.dtype.name.startswith(("bf", "float8")) else array
    )


def _unreadable(path: Path, error: Exception) -> UserError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return UserError("E616", f"{path} cannot be read as tensors", why=why, hint="give .npy, .npz, .pb or raw bytes")
