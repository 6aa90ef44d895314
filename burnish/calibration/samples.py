"""Samples to calibrate with: one mapping of arrays by input name for each run.

.npz             arrays by input name, or the only one that fits a model of one input; a first axis longer than
                     the model's batch, or than the profile allows, is split into several samples
.npy             the same, for a model of one input
.csv             a row is a sample
images, .wav     by a stated preprocessing (preprocess.py), which may also be a Python function for any file
a folder         its files of these kinds but labels.csv, sorted by name; with a Python function all its files
any iterable     of mappings, or of arrays for a model of one input
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from burnish.calibration.preprocess import Preprocess
from burnish.calibration.read_files import ENDINGS, IMAGES, read_file
from burnish.dims import symbol_name, symbols
from burnish.errors import UserError
from burnish.plan.manifest import Manifest, SymbolRange, TensorSpec

LABELS = "labels.csv"  # in a folder: what its files show, no samples (gate/evaluation.py)
Array = np.ndarray[Any, Any]
Sample = Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class Samples:
    """Iterate over it, once; E721 if there is none. count: how many there are, if it is known without reading them."""

    items: Iterable[Sample]
    count: int | None

    def __iter__(self) -> Iterator[Sample]:
        items = iter(self.items)
        first = next(items, None)
        if first is None:
            raise UserError("E721", "there are no samples", why="the data ended before the first", hint="give some")
        return itertools.chain([first], items)


def open_samples(
    data: Any, inputs: Sequence[TensorSpec], stated: Preprocess | None = None, bounds: Sequence[SymbolRange] = ()
) -> Samples:
    """The samples in a file, a folder or an iterable, as the inputs take them.

    bounds: what the profile allows; a first axis that is longer is split
    raises: E721 if there are none or a file cannot be read, E722 for an array that does not fit, E745 if it is not
            stated how a file becomes an input
    """
    if isinstance(data, str | os.PathLike):
        path = Path(data)
        files = files_of(path, stated) if path.is_dir() else [path]
        if not files:
            raise _none(path, f"the folder holds no file of the kinds {', '.join(ENDINGS)}")
        is_one_each = all(f.suffix.lower() in (".wav", *IMAGES) for f in files)
        arrays = ((str(file), found) for file in files for found in read_file(file, inputs, stated))
        return Samples(_samples(arrays, inputs, bounds), len(files) if len(files) > 1 or is_one_each else None)
    if isinstance(data, Mapping):
        return Samples(_samples([("the data", data)], inputs, bounds), None)
    if isinstance(data, Iterable):
        count = len(data) if isinstance(data, Sequence) else None
        return Samples(_samples(_from_iterable(data, inputs), inputs, bounds), count)
    hint = "give a file, a folder, or an iterable of arrays"
    raise UserError("E721", f"there are no samples in {type(data).__name__}", why="it is not iterable", hint=hint)


def files_of(folder: Path, stated: Preprocess | None) -> list[Path]:
    """The files of a folder that hold samples, in the order in which they are read."""
    return sorted(file for file in folder.iterdir() if _is_read(file, stated))


def _is_read(file: Path, stated: Preprocess | None) -> bool:
    if file.name == LABELS:
        return False
    if stated is not None and stated.function is not None:
        return file.is_file() and not file.name.startswith(".")
    return file.suffix.lower() in ENDINGS


def _from_iterable(data: Iterable[Any], inputs: Sequence[TensorSpec]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, item in enumerate(data):
        yield f"sample {number}", item if isinstance(item, Mapping) else {inputs[0].name: np.asarray(item)}


def _samples(
    data: Iterable[tuple[str, Mapping[str, Any]]], inputs: Sequence[TensorSpec], bounds: Sequence[SymbolRange]
) -> Iterator[Sample]:
    """One sample for each mapping of arrays, or several where the first axis holds more than a run takes."""
    rows = {b.name: b for b in bounds}.get(batch_symbol(inputs) or "")
    for where, arrays in data:
        found = {spec.name: _fitting(arrays, spec, where, len(inputs) == 1) for spec in inputs}
        yield from _split(found, inputs, where) if rows is None else _split_rows(found, rows)


def batch_symbol(inputs: Sequence[TensorSpec]) -> str | None:
    """The symbol that is the first axis of each input, and stands on no other."""
    firsts = {symbol_name(spec.shape[0]) if spec.shape else None for spec in inputs}
    others = {name for spec in inputs for dim in spec.shape[1:] for name in symbols(dim)}
    return firsts.pop() if len(firsts) == 1 and not firsts & others else None


def has_rows(inputs: Sequence[TensorSpec], firsts: Iterable[Any]) -> bool:
    """Is the first axis of a model's inputs that of samples? firsts: the first sizes of its outputs."""
    sizes = {spec.shape[0] if spec.shape else None for spec in inputs}
    return bool(inputs) and None not in sizes and (batch_symbol(inputs) is not None or len(sizes | {*firsts}) == 1)


def rows_of(sample: Sample, is_batched: bool) -> int:
    """How many samples a run is. is_batched: as `has_rows` says"""
    return len(next(iter(sample.values()))) if is_batched else 1


def is_batched(manifest: Manifest) -> bool:
    """`has_rows` of a plan's model."""
    return has_rows(manifest.inputs, (spec.shape[0] if spec.shape else None for spec in manifest.outputs))


def _split_rows(found: Sample, rows: SymbolRange) -> Iterator[Sample]:
    """Parts of nearly equal sizes that the profile allows. Where there are none, the run refuses the whole."""
    size = min(map(len, found.values()))
    parts = -(-size // rows.max)
    if parts < 2 or size // parts < rows.min or any(len(array) != size for array in found.values()):
        yield found
        return
    ends = [size * index // parts for index in range(parts + 1)]
    for first, end in itertools.pairwise(ends):
        yield {name: array[first:end] for name, array in found.items()}


def _split(found: Sample, inputs: Sequence[TensorSpec], where: str) -> Iterator[Sample]:
    firsts = {s.name: s.shape[0] for s in inputs if s.shape and isinstance(s.shape[0], int) and s.shape[0]}
    runs = {name: len(found[name]) // size for name, size in firsts.items()}
    count = max(runs.values(), default=1)
    if count == 1:
        yield found
        return
    if odd := [name for name, own in runs.items() if own not in (1, count)]:
        why = f"it is enough for {runs[odd[0]]} runs, and another array for {count}"
        raise UserError("E722", f"the array for input '{odd[0]}' is of another length", where=where, why=why)
    for index in range(count):
        yield {spec.name: _part(found[spec.name], spec, index) for spec in inputs}


def _part(array: Array, spec: TensorSpec, index: int) -> Array:
    size = spec.shape[0] if spec.shape else None
    return array[index * size : (index + 1) * size] if isinstance(size, int) and len(array) > size else array


def _fitting(arrays: Mapping[str, Any], spec: TensorSpec, where: str, is_only: bool) -> Array:
    """The array of one input, of its type; the first axis may be any multiple of what a run takes."""
    if spec.name not in arrays and is_only:
        fitting = [array for array in map(np.asarray, arrays.values()) if _fits(array, spec)]
        arrays = {spec.name: fitting[0]} if len(fitting) == 1 else arrays
    if spec.name not in arrays:
        why = f"it holds {', '.join(sorted(map(str, arrays))) or 'nothing'}"
        raise UserError("E722", f"there is no array for input '{spec.name}'", where=where, why=why, hint="name it so")
    array = np.asarray(arrays[spec.name])
    if array.ndim == len(spec.shape) - 1:
        array = array[None]
    # of several inputs an open one may have no rows: a picture without boxes
    needs_rows = bool(spec.shape) and spec.shape[0] != 0 and (is_only or isinstance(spec.shape[0], int))
    if needs_rows and array.ndim == len(spec.shape) and not len(array):
        why = f"the array for input '{spec.name}' has no rows: it is {'x'.join(map(str, array.shape))}"
        raise UserError("E721", f"{where} holds no samples", why=why, hint="give some")
    if not _fits(array, spec):
        wanted = "x".join(map(str, spec.shape))
        why = f"it is {'x'.join(map(str, array.shape)) or 'a scalar'}; a run takes {wanted}"
        raise UserError("E722", f"an array does not fit input '{spec.name}'", where=where, why=why, hint="see --shapes")
    if array.dtype != spec.dtype.numpy and not np.can_cast(array.dtype, spec.dtype.numpy, "same_kind"):
        why = f"it is {array.dtype}; the input takes {spec.dtype.value}"
        raise UserError("E722", f"an array is of another type than input '{spec.name}'", where=where, why=why)
    with np.errstate(over="ignore"):  # a number beyond f32 becomes Inf, which calibration counts and names
        cast = np.asarray(array, spec.dtype.numpy, order="C")  # ascontiguousarray would make a scalar 1-d
    if cast.dtype.kind in "iu" and cast.dtype != array.dtype and not np.array_equal(cast, array):
        why = f"it has {array.min()} to {array.max()}, which {spec.dtype.value} does not hold"
        raise UserError("E722", f"an array does not fit input '{spec.name}'", where=where, why=why)
    return cast


def _fits(array: Array, spec: TensorSpec) -> bool:
    """Has it the shape of one run, or of several on its first axis?"""
    return array.ndim == len(spec.shape) and all(
        not isinstance(wanted, int) or (size % wanted == 0 and size > 0 if axis == 0 and wanted else size == wanted)
        for axis, (size, wanted) in enumerate(zip(array.shape, spec.shape, strict=True))
    )


def _none(path: Path, why: str) -> UserError:
    return UserError("E721", f"{path} holds no samples", why=why, hint="give a file of samples, or a folder of them")
