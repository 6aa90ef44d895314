"""Burnish: an ONNX model becomes one self-contained, reproducible, verified plan, and the plan runs.

    plan = burnish.build("model.onnx", shapes={"input": (1, 3, 224, 224)})      compile
    plan.save("model.plan")
    engine = burnish.load("model.plan", threads=2)                             map; no compiler is imported
    outputs = engine(input=array)                                              dict by output name

    burnish.verify("model.onnx", "model.plan")                                 every output against ONNX Runtime
    burnish.bench("model.plan")                                                latency, load time, memory

Names are imported when they are first used, so that a process that only runs a plan never loads the compiler.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from burnish.bench import bench as bench
    from burnish.build import build as build
    from burnish.errors import BurnishError, EnvironmentProblem, InternalError, UserError
    from burnish.plan import Plan
    from burnish.runtime import Context, Engine, load
    from burnish.verify import verify as verify

__version__ = "0.1.0"
__all__ = [
    "BurnishError",
    "Context",
    "Engine",
    "EnvironmentProblem",
    "InternalError",
    "Plan",
    "UserError",
    "__version__",
    "bench",
    "build",
    "load",
    "verify",
]

_PLACES = {
    "BurnishError": "burnish.errors",
    "Context": "burnish.runtime",
    "Engine": "burnish.runtime",
    "EnvironmentProblem": "burnish.errors",
    "InternalError": "burnish.errors",
    "Plan": "burnish.plan",
    "UserError": "burnish.errors",
    "load": "burnish.runtime",
}
_ACTIONS = ("bench", "build", "verify")  # a room and its one function share a name: the room can be called


class _Action(ModuleType):
    """A module that is called like the function of its own name in it."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return vars(self)[self.__name__.rpartition(".")[2]](*arguments, **options)


class _Package(ModuleType):
    """Turns `burnish.build` (and its kin) into an action, whichever import loads it first."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in _ACTIONS and isinstance(value, ModuleType):
            value.__class__ = _Action
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name in _ACTIONS:
        return importlib.import_module(f"burnish.{name}")
    if name not in _PLACES:
        raise AttributeError(f"module 'burnish' has no attribute '{name}'")
    value = getattr(importlib.import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
