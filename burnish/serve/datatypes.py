"""The data types of the v2 protocol, and what each is in numpy."""

from __future__ import annotations

import ml_dtypes
import numpy as np

BYTES = "BYTES"
# By name; BYTES is an object array whose elements are `bytes`.
NUMPY: dict[str, np.dtype] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    BYTES: np.dtype(np.object_),
}
_NAMES = {dtype: name for name, dtype in NUMPY.items()}


def datatype_of(dtype: np.dtype) -> str:
    """The protocol's name of a numpy dtype; strings of any kind are BYTES. KeyError for one that it has no name for."""
    return BYTES if dtype.kind in "OSU" else _NAMES[dtype]


def config_name(datatype: str) -> str:
    """As config.pbtxt spells it: FP32 is TYPE_FP32, BYTES is TYPE_STRING."""
    return "TYPE_STRING" if datatype == BYTES else f"TYPE_{datatype}"


def protocol_name(config: str) -> str:
    """The reverse of `config_name`."""
    return BYTES if config == "TYPE_STRING" else config.removeprefix("TYPE_")
