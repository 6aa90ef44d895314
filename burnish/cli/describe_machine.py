"""Facts about the machine and the installation."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from typing import Any

from burnish import __version__
from burnish.cli.output import format_bytes
from burnish.devices.machine import best_target, core_count, memory_bytes, supports
from burnish.errors import EnvironmentProblem
from burnish.settings import settings
from burnish.target import LEVELS, Target

NEEDED = ("numpy", "ml-dtypes", "llvmlite", "onnx", "onnx-ir", "onnxscript", "typer", "rich", "cryptography")
OPTIONAL = {
    "onnxruntime": "verify uses it as the oracle, bench as a peer: pip install onnxruntime",
    "openvino": "bench --against openvino: pip install 'burnish[openvino]'",
}


def machine() -> dict[str, Any]:
    """By name; `packages` is a table of versions, `missing` what to install for what."""
    try:
        target = str(best_target())
    except EnvironmentProblem as problem:
        target = f"none: {problem.why}"
    lacking = {level: supports(Target("cpu", level)) for level in LEVELS}
    versions = {name: _version(name) for name in (*NEEDED, *OPTIONAL)}
    return {
        "burnish": __version__,
        "python": f"{platform.python_version()} ({sys.implementation.name})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": core_count(),
        "memory": format_bytes(memory_bytes()),
        "target": target,
        "levels": [
            f"{level}: {'yes' if not flags else 'lacks ' + ' '.join(flags)}" for level, flags in lacking.items()
        ],
        "settings": f"BURNISH_DEBUG={settings().debug} BURNISH_THREADS={settings().threads or 'all cores'}",
        "missing": [f"{name}: {OPTIONAL.get(name, 'pip install burnish')}" for name, v in versions.items() if v == "-"],
        "packages": versions,
    }


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "-"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "unknown"
