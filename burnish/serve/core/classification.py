"""The classification extension: an output's largest values, with their places and labels, as text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from burnish.serve.datatypes import BYTES
from burnish.serve.request import Tensor
from burnish.serve.status import invalid


def classify(tensor: Tensor, count: int, labels: Sequence[str] | None, has_batch_axis: bool) -> Tensor:
    """The `count` largest of each row as VALUE:PLACE:LABEL, the larger first; of equal values the one in front.

    labels: by place; an empty or missing one is left out with its colon
    raises: INVALID_ARG for types without an order of numbers (FP16, BF16, BYTES, BOOL)
    """
    if tensor.datatype in (BYTES, "BOOL", "FP16", "BF16"):
        raise invalid(f"class result not available for output due to unsupported type '{tensor.datatype}'")
    data = tensor.data
    has_rows = has_batch_axis and data.ndim > 0
    rows = data.reshape(data.shape[0], -1) if has_rows and data.size else data.reshape(1, -1)
    count = min(count, rows.shape[1])
    texts = np.empty((rows.shape[0], count), object)
    is_float = data.dtype.kind == "f"
    for row, out in zip(rows, texts):
        for k, place in enumerate(_largest_first(row)[:count]):
            text = f"{float(row[place]):f}" if is_float else str(row[place])
            label = labels[place] if labels is not None and place < len(labels) else ""
            out[k] = (f"{text}:{place}:{label}" if label else f"{text}:{place}").encode()
    shape = (data.shape[0], count) if has_rows else (count,)
    return Tensor(tensor.name, BYTES, texts.reshape(shape))


def _largest_first(row: np.ndarray) -> np.ndarray:
    if row.dtype.kind == "f":
        return np.argsort(-row, kind="stable")  # NaN last
    return len(row) - 1 - np.argsort(row[::-1], kind="stable")[::-1]  # an unsigned number has no negative
