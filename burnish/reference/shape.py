"""Shape between two axes. onnx's own gives no result if the end lies before the start."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def shape(x: Any, *, start: int = 0, end: int | None = None) -> Array:
    """The extents from axis start up to (not including) axis end. Negative axes count from the last one."""
    return np.array(np.shape(x)[start:end], np.int64)
