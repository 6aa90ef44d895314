"""Convert outputs to forms other than a numeric tensor, and back.

maps     [[0.7, 0.3]] with keys 0, 1     ->    [{0: 0.7, 1: 0.3}]        as ONNX Runtime gives a ZipMap
names    [1, 0] with keys cat, dog       ->    ["dog", "cat"]            an array of str objects
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, MutableMapping
from typing import Any

import numpy as np

from burnish.plan.manifest import Presentation

Array = np.ndarray[Any, Any]


def present(
    results: MutableMapping[str, Any], presentations: Iterable[Presentation], left_alone: Collection[str] = ()
) -> None:
    """Put the caller's form in place of each array. left_alone: outputs for which the caller gave a buffer."""
    for shown in presentations:
        if shown.output not in left_alone:
            results[shown.output] = _FORMS[shown.form](results[shown.output], shown.keys)


def as_array(value: Any) -> Array:
    """The tensor of an output in any form. For maps, each row holds the numbers of one map."""
    if isinstance(value, list) and all(isinstance(row, dict) for row in value):
        return np.array([list(row.values()) for row in value], np.float32)
    return np.asarray(value)


def _maps(array: Array, keys: tuple[int | str, ...]) -> list[dict[int | str, float]]:
    return [dict(zip(keys, row, strict=True)) for row in np.atleast_2d(array).tolist()]


def _names(array: Array, keys: tuple[int | str, ...]) -> Array:
    return np.array(keys, dtype=object)[array]


_FORMS = {"maps": _maps, "names": _names}
