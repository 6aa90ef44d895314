"""Mappings of arrays that are read again and again: in memory up to a limit, and beyond it in a temporary file."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any, NamedTuple, overload

import numpy as np

from burnish.errors import EnvironmentProblem

Array = np.ndarray[Any, Any]
LIMIT = 1 << 29  # bytes of arrays in memory


class _Place(NamedTuple):
    """An array's bytes in the file."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Kept(Sequence[Mapping[str, Any]]):
    """A sequence that grows at its end. What lies in the file is read at each use, into arrays of its own.

    raises: E403 if the temporary file cannot be written
    """

    def __init__(self, items: Iterable[Mapping[str, Any]] = (), limit_bytes: int = LIMIT) -> None:
        self._items: list[Mapping[str, Any]] = []
        self._room, self._end = limit_bytes, 0
        self._file: IO[bytes] | None = None
        for item in items:
            self.append(item)

    def append(self, item: Mapping[str, Any]) -> None:
        arrays = item.values()
        size = sum(a.nbytes for a in arrays if isinstance(a, np.ndarray))
        if size <= self._room or any(not isinstance(a, np.ndarray) or a.dtype.hasobject for a in arrays):
            self._room -= size
            self._items.append(dict(item))
        else:
            self._items.append({name: self._write(array) for name, array in item.items()})

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> Mapping[str, Any] | Sequence[Mapping[str, Any]]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return {n: self._read(a) if isinstance(a, _Place) else a for n, a in self._items[index].items()}

    def _write(self, array: Array) -> _Place:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object
                weakref.finalize(self, self._file.close)
            self._file.seek(self._end)
            self._file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
            self._file.flush()
        except OSError as error:
            what, hint = "samples and answers do not fit into a temporary file", "free space, or set TMPDIR"
            raise EnvironmentProblem("E403", what, why=error.strerror or str(error), hint=hint) from error
        place = _Place(self._end, array.shape, array.dtype)
        self._end += array.nbytes
        return place

    def _read(self, place: _Place) -> Array:
        assert self._file is not None
        self._file.seek(place.offset)
        found = np.empty(place.shape, place.dtype)
        found.reshape(-1).view(np.uint8)[:] = np.frombuffer(self._file.read(found.nbytes), np.uint8)
        return found
