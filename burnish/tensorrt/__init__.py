"""TensorRT's Python API on Burnish: `import burnish.tensorrt as trt`.

A script written for `import tensorrt as trt` (TensorRT 8 to 10) runs after that line is changed: it parses ONNX or adds
layers, builds, serializes, deserializes and executes. README.md in this folder describes the differences and the
covered part of the API. A missing name raises E650, which says what to use instead.

On the CPU target an address is a host pointer. For scripts that allocate with cuda-python or pycuda,
`burnish.tensorrt.cudart` and `burnish.tensorrt.pycuda` offer those calls on host memory.

The building part is imported when one of its names is first used: a script that only runs a plan loads no compiler.
"""
# ruff: noqa: F403  each file says in __all__ what it adds to TensorRT's one flat namespace

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from burnish.tensorrt.context import *
from burnish.tensorrt.datatype import *
from burnish.tensorrt.dims import *
from burnish.tensorrt.engine import *
from burnish.tensorrt.enums import *
from burnish.tensorrt.inspector import *
from burnish.tensorrt.interfaces import *
from burnish.tensorrt.memory import *
from burnish.tensorrt.missing import MissingName
from burnish.tensorrt.runtime import *

if TYPE_CHECKING:
    from burnish.tensorrt.builder import *
    from burnish.tensorrt.config import *
    from burnish.tensorrt.layers.pointwise import *
    from burnish.tensorrt.layers.reduction import *
    from burnish.tensorrt.layers.sampling import *
    from burnish.tensorrt.layers.shape import *
    from burnish.tensorrt.layers.window import *
    from burnish.tensorrt.network.layer import *
    from burnish.tensorrt.network.network import *
    from burnish.tensorrt.network.tensor import *
    from burnish.tensorrt.parser import *
    from burnish.tensorrt.profile import *

__version__ = "10.13.0"  # the API that scripts see; Burnish's own version is burnish.__version__
_BUILDING = (
    "builder", "config", "layers.pointwise", "layers.reduction", "layers.sampling", "layers.shape", "layers.window",
    "network.layer", "network.network", "network.tensor", "parser", "profile",
)  # fmt: skip


def __getattr__(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(name)
    for module in _BUILDING:
        found = importlib.import_module(f"burnish.tensorrt.{module}")
        if name in found.__all__:
            return globals().setdefault(name, getattr(found, name))
    raise MissingName(name)
