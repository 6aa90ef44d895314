"""Named arrays of any dtype in one .npz. Without pickle, numpy's own format cannot store bf16, f8 or strings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from burnish.dtypes import DType

Array = np.ndarray[Any, Any]


def save_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Store array n under the key `n`, and the names and dtypes as text."""
    index = [[name, DType.of(array.dtype).value] for name, array in arrays.items()]
    stored = {str(n): _plain(array) for n, array in enumerate(arrays.values())}
    np.savez(path, **stored, index=np.array(index, dtype=np.str_).reshape(-1, 2))  # type: ignore[arg-type]


def load_arrays(path: str | Path) -> dict[str, Array]:
    """Load the arrays that save_arrays wrote."""
    with np.load(path, allow_pickle=False) as archive:
        return {
            str(name): _restored(archive[str(n)], DType(str(dtype))) for n, (name, dtype) in enumerate(archive["index"])
        }


def _plain(array: Array) -> Array:
    dtype = DType.of(array.dtype)
    if dtype is DType.STRING:
        return array.astype(str)
    return np.ascontiguousarray(array).view(f"V{dtype.size_bytes}").reshape(array.shape)


def _restored(array: Array, dtype: DType) -> Array:
    return array.astype(object) if dtype is DType.STRING else array.view(dtype.numpy)
