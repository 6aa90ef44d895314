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
from typing import TYPE_CHECKING, Any

from burnish.version import __version__

if TYPE_CHECKING:
    from burnish.building import build
    from burnish.calibration import Evaluation, build_within, calibrate, verify
    from burnish.devices.cuda import DeviceArray
    from burnish.errors import BurnishError, EnvironmentProblem, InternalError, UserError
    from burnish.measuring import BenchReport, Contender, Latency, bench
    from burnish.plan import Manifest, Plan
    from burnish.precision.ranges import Ranges
    from burnish.runtime import Context, Engine, InputInfo, LayerTime, Pending, load
    from burnish.tune import TimingCache
    from burnish.verification import Comparison, VerifyReport

__all__ = [
    "BenchReport",
    "BurnishError",
    "Comparison",
    "Contender",
    "Context",
    "DeviceArray",
    "Engine",
    "EnvironmentProblem",
    "Evaluation",
    "InputInfo",
    "InternalError",
    "Latency",
    "LayerTime",
    "Manifest",
    "Pending",
    "Plan",
    "Ranges",
    "TimingCache",
    "UserError",
    "VerifyReport",
    "__version__",
    "bench",
    "build",
    "build_within",
    "calibrate",
    "load",
    "verify",
]

_PLACES = {
    "BenchReport": "burnish.measuring",
    "BurnishError": "burnish.errors",
    "Comparison": "burnish.verification",
    "Contender": "burnish.measuring",
    "Context": "burnish.runtime",
    "DeviceArray": "burnish.devices.cuda",
    "Engine": "burnish.runtime",
    "EnvironmentProblem": "burnish.errors",
    "Evaluation": "burnish.calibration",
    "InputInfo": "burnish.runtime",
    "InternalError": "burnish.errors",
    "Latency": "burnish.measuring",
    "LayerTime": "burnish.runtime",
    "Manifest": "burnish.plan",
    "Pending": "burnish.runtime",
    "Plan": "burnish.plan",
    "Ranges": "burnish.precision.ranges",
    "TimingCache": "burnish.tune",
    "UserError": "burnish.errors",
    "VerifyReport": "burnish.verification",
    "bench": "burnish.measuring",
    "build": "burnish.building",
    "build_within": "burnish.calibration",
    "calibrate": "burnish.calibration",
    "load": "burnish.runtime",
    "verify": "burnish.calibration",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'burnish' has no attribute '{name}'")
    value = getattr(importlib.import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
