"""What accuracy is measured with: samples, the labels beside them, and a decoder of outputs.

Labels are one for each row of the data: an array, a list, or a file: .npy, .txt (a line each), .json (a list: numbers,
texts, or boxes as {"boxes": [[x1, y1, x2, y2]], "labels": [0]}). Without any they are looked for beside the samples:

    .npz           an array `labels` that is no input
    a folder       labels.csv with the columns file and label, a row for each file in it
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from burnish.calibration.gate.metrics import Answers
from burnish.calibration.kept import Kept
from burnish.calibration.preprocess import Preprocess, load_preprocess
from burnish.calibration.python_file import load_function
from burnish.calibration.samples import LABELS, files_of, open_samples
from burnish.errors import UserError
from burnish.plan import Manifest

Array = np.ndarray[Any, Any]
DECODE, IN_ARCHIVE = "decode", "labels"  # the function of a decoder's file; the array in an .npz


@dataclass(frozen=True)
class Evaluation:
    """data, preprocess: as for `calibrate`; labels: see the module, None looks beside the samples.

    decode: a Python file with decode(outputs), or a function: what a run's outputs mean, one item or a list of them
    """

    data: Any
    labels: Any = None
    preprocess: str | os.PathLike[str] | None = None
    decode: str | os.PathLike[str] | Callable[[Mapping[str, Array]], Any] | None = None

    def samples(self, manifest: Manifest) -> Kept:
        """All of them. E721 if there are none."""
        return Kept(open_samples(self.data, manifest.inputs, self._stated(), manifest.symbols))

    def read_labels(self, inputs: Sequence[str]) -> Any:
        """The labels, or None. E765 if they cannot be read."""
        given = self.labels
        try:
            if given is None:
                return self._beside(inputs)
            return _read(Path(given)) if isinstance(given, str | os.PathLike) else _plain(given)
        except Exception as error:  # numpy, json and csv raise a dozen kinds
            where = given if isinstance(given, str | os.PathLike) else self.data
            why = (
                error.strerror if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
            )
            hint = (
                ".npy, .txt with a line for each sample, .json with a list, or a labels.csv (file,label) in the folder"
            )
            raise UserError("E765", f"the labels of {where} cannot be read", why=why, hint=hint) from error

    def _stated(self) -> Preprocess | None:
        return None if self.preprocess is None else load_preprocess(self.preprocess)

    def _beside(self, inputs: Sequence[str]) -> Any:
        if not isinstance(self.data, str | os.PathLike):
            return None
        path = Path(self.data)
        if path.is_dir() and (path / LABELS).exists():
            return _by_file(path, self._stated())
        if path.suffix == ".npz" and IN_ARCHIVE not in inputs:
            with np.load(path, allow_pickle=False) as archive:
                return archive[IN_ARCHIVE] if IN_ARCHIVE in archive.files else None
        return None

    def decoder(self) -> Callable[[Sequence[Mapping[str, Array]], Sequence[int] | None], Answers]:
        """What makes answers of the outputs of all runs, and of how many samples each is.

        raises: E764 if the file has no decoder, or it fails
        """
        function = self.decode
        if function is None:
            return lambda outputs, rows: Answers(outputs, rows=rows)
        if isinstance(function, str | os.PathLike):
            try:
                function = load_function(Path(function), DECODE)
            except Exception as error:  # a user's file may raise anything
                raise _no_decoder(self.decode, error) from error
        return lambda outputs, rows: Answers(outputs, list(_decoded(function, outputs)), rows)


def _decoded(function: Callable[[Any], Any], outputs: Sequence[Mapping[str, Array]]) -> Iterator[Any]:
    for each in outputs:
        try:
            found = function(each)
        except Exception as error:  # a user's function may raise anything
            raise _no_decoder(getattr(function, "__name__", DECODE), error) from error
        yield from found if isinstance(found, list | tuple) else [found]


def _no_decoder(where: Any, error: Exception) -> UserError:
    hint = "a Python file with decode(outputs), which returns an item or a list of them for a run's outputs"
    why = f"{type(error).__name__}: {error}"
    return UserError("E764", f"{where} does not decode the outputs", why=why, hint=hint)


def _read(path: Path) -> Any:
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False).reshape(-1)
    if path.suffix == ".json":
        return _plain(json.loads(path.read_text(encoding="utf-8")))
    if path.suffix == ".txt":
        return _plain(path.read_text(encoding="utf-8").splitlines())
    raise ValueError(f"files of labels end in .npy, .txt or .json, not in {path.suffix or 'nothing'}")


def _by_file(folder: Path, stated: Preprocess | None) -> Any:
    """The labels of labels.csv, in the order in which the folder's files are read."""
    with open(folder / LABELS, encoding="utf-8", newline="") as file:
        rows = {row["file"]: row["label"] for row in csv.DictReader(file)}
    names = [file.name for file in files_of(folder, stated)]
    if missing := [name for name in names if name not in rows]:
        raise ValueError(f"{LABELS} has no row for {missing[0]}")
    return _plain([rows[name] for name in names])


def _plain(labels: Any) -> Any:
    """Numbers as an array, if all are; else the list: of texts, or of boxes."""
    if isinstance(labels, np.ndarray):
        return labels.reshape(-1)
    if not isinstance(labels, list | tuple):
        raise ValueError(f"they are no list, but {type(labels).__name__}")
    try:
        return np.array([float(label) for label in labels])
    except (TypeError, ValueError):
        return list(labels)
