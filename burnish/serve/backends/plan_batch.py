"""A batch of requests on a plan's context: rows put together, run, and given out again."""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from burnish import plan as plans
from burnish import runtime
from burnish.errors import BurnishError
from burnish.serve.bytes_tensor import object_array
from burnish.serve.datatypes import BYTES, datatype_of
from burnish.serve.job import now_ns
from burnish.serve.request import Tensor
from burnish.serve.status import Code, ServeError

Array = np.ndarray[Any, Any]
Answers = tuple[list[list[Tensor]], int, int]


def load_engine(
    file: Path, threads: int | None, device: str | None, trusted_key: Any, is_mapped: bool = False
) -> runtime.Engine:
    """FileNotFoundError, or BurnishError with what is wrong with the plan.

    is_mapped: the weights stay in the file, where several processes share them. Who then writes into the file, instead
               of putting another in its place, ends the process: the system sends it SIGBUS.
    """
    if not file.is_file():
        raise FileNotFoundError(file)
    source = file if is_mapped else _held(file)
    return runtime.load(plans.read(source, trusted_key=trusted_key), threads, device=device)


def _held(file: Path) -> memoryview | Path:
    """The file's bytes in memory of our own. The path if they cannot be had: reading the plan then says why."""
    try:
        with file.open("rb") as stream:
            held = mmap.mmap(-1, max(os.fstat(stream.fileno()).st_size, 1))
            view = memoryview(held)
            return view[: stream.readinto(view)]
    except OSError:
        return file


def compute(context: runtime.Context, requests: Sequence[Mapping[str, Tensor]], rows: Sequence[int]) -> Answers:
    """The outputs of each request, and when the inputs and the outputs were ready.

    raises: ServeError with what is wrong with the inputs, or with the model
    """
    try:
        inputs = _gathered(requests)
        begin = now_ns()
        found = context(inputs)
        end = now_ns()
        return _shared_out([_tensor(name, array) for name, array in found.items()], rows), begin, end
    except BurnishError as error:
        raise ServeError(Code.INVALID_ARG if error.code.startswith("E50") else Code.INTERNAL, str(error)) from None
    except Exception as error:
        raise ServeError(Code.INTERNAL, f"the model failed: {type(error).__name__}: {error}") from None


def _gathered(requests: Sequence[Mapping[str, Tensor]]) -> dict[str, Array]:
    """Each input of the batch as one array: the requests' rows one after the other."""
    if len(requests) == 1:
        return {name: _array(tensor) for name, tensor in requests[0].items()}
    return {name: np.concatenate([_array(inputs[name]) for inputs in requests]) for name in requests[0]}


def _shared_out(tensors: list[Tensor], rows: Sequence[int]) -> list[list[Tensor]]:
    if len(rows) == 1:
        return [tensors]
    found, first = [], 0
    for count in rows:
        found.append([Tensor(t.name, t.datatype, t.data[first : first + count]) for t in tensors])
        first += count
    return found


def _array(tensor: Tensor) -> Array:
    if tensor.datatype != BYTES:
        return tensor.data
    texts = [item.decode() if isinstance(item, bytes) else item for item in tensor.data.ravel()]
    return np.array(texts, dtype=np.object_).reshape(tensor.data.shape)


def _tensor(name: str, value: Any) -> Tensor:
    """An output of a plan for the protocol: texts as bytes, a list of dicts (a ZipMap's) as the dicts' values."""
    if isinstance(value, list):
        value = np.array([list(row.values()) for row in value], np.float32)
    array = np.asarray(value)
    if array.dtype.kind not in "OSU":
        return Tensor(name, datatype_of(array.dtype), array)
    flat = [item.encode() if isinstance(item, str) else bytes(item) for item in array.ravel()]
    return Tensor(name, BYTES, object_array(flat, array.shape))
