"""Facts about the machine and the installation: hardware, targets to build for and to run, and missing packages."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from burnish.cli.output import format_bytes
from burnish.devices.cpu.processor import (
    available_bytes,
    best_target,
    core_count,
    memory_bytes,
    processor_name,
    supports,
)
from burnish.devices.cuda.probe import GpuReport, find_gpus
from burnish.errors import EnvironmentProblem
from burnish.settings import settings
from burnish.target import ARCHITECTURES, EXTENSIONS, LEVELS, Target
from burnish.version import __version__

NEEDED = ("numpy", "ml-dtypes", "llvmlite", "onnx", "onnx-ir", "onnxscript", "typer", "rich", "cryptography")
OPTIONAL = {
    "triton": "to build for GPUs (a machine without one will do): pip install 'burnish[cuda]'",
    "cuda-bindings": "to run on GPUs: pip install 'burnish[cuda]'",
    "onnxruntime": "verify uses it as the oracle, bench as a peer: pip install onnxruntime",
    "openvino": "bench --against openvino: pip install 'burnish[openvino]'",
}


def machine(gpus: GpuReport | None = None) -> dict[str, Any]:
    """The facts by name. `gpus`, `packages` and `settings` are tables; `missing` says what to install and why."""
    found = gpus or find_gpus()
    versions = {name: _version(name) for name in (*NEEDED, *OPTIONAL)}
    try:
        target = str(best_target())
    except EnvironmentProblem as problem:
        target = f"none: {problem.why}"
    return {
        "burnish": __version__,
        "python": f"{platform.python_version()} ({sys.implementation.name})",
        "system": f"{_system()}, {platform.system()} {platform.release()} {platform.machine()}",
        "processor": processor_name(),
        "cores": core_count(),
        "memory_bytes": memory_bytes(),
        "memory_available_bytes": available_bytes(),
        "target": target,
        "levels": {level: supports(Target("cpu", level)) for level in LEVELS},
        "extensions": {e: supports(Target("cpu", LEVELS[-1], (e,))) for e in EXTENSIONS},
        "gpus": [asdict(gpu) for gpu in found.gpus],
        "driver": found.driver,
        "cuda": found.cuda,
        "no_gpu": found.problem,
        "builds_for": [*(f"cpu:{level}" for level in LEVELS), *(f"cuda:{a}" for a in _architectures(versions))],
        "runs": [
            *(f"cpu:{level}" for level in LEVELS if not supports(Target("cpu", level))),
            *sorted({target for gpu in found.gpus for target in gpu.runs}),
        ],
        "settings": {f"BURNISH_{name.upper()}": value for name, value in asdict(settings()).items()},
        "missing": [*_missing(versions), *([f"GPU: {found.problem}: {found.hint}"] if found.problem else [])],
        "packages": versions,
    }


def lines(found: dict[str, Any]) -> dict[str, str]:
    """The same facts as text for people: one or more lines for each name."""
    driver = f"{found['driver'] or 'version unknown'}, CUDA {found['cuda'] or 'unknown'}"
    installed = "\n".join(f"{name} {version}" for name, version in found["packages"].items() if version != "-")
    shown = {
        **{name: found[name] for name in ("burnish", "python", "system")},
        "processor": f"{found['processor']}, {found['cores']} cores to use",
        "memory": f"{format_bytes(found['memory_bytes'])}, {format_bytes(found['memory_available_bytes'])} available",
        "target": found["target"],
        "levels": "\n".join(_claim(*pair) for pair in found["levels"].items()),
        "extensions": "\n".join(_claim(*pair) for pair in found["extensions"].items()),
        "gpus": "\n".join(map(_gpu_line, found["gpus"])) or f"none: {found['no_gpu']}",
        "driver": driver if found["driver"] or found["cuda"] else "",
        "builds for": "\n".join(found["builds_for"]),
        "runs": "\n".join(found["runs"]),
        "missing": "\n".join(found["missing"]),
        "settings": " ".join(f"{name}={value}" for name, value in found["settings"].items()),
        "packages": installed,
    }
    return {name: text for name, text in shown.items() if text}


def _claim(name: str, lacking: list[str]) -> str:
    return f"{name}: {'yes' if not lacking else 'lacks ' + ' '.join(lacking)}"


def _gpu_line(gpu: dict[str, Any]) -> str:
    """0: NVIDIA H200, compute capability 9.0, 132 multiprocessors, 139.8 GiB (138.1 free), runs cuda:sm_90a"""
    major, minor = gpu["capability"]
    memory = f"{format_bytes(gpu['memory_bytes'])} ({format_bytes(gpu['memory_free_bytes'])} free)"
    runs = " ".join(gpu["runs"]) or "nothing that Burnish builds for"
    chip = f"compute capability {major}.{minor}, {gpu['multiprocessors']} multiprocessors"
    return f"{gpu['number']}: {gpu['name']}, {chip}, {memory}, runs {runs}"


def _architectures(versions: dict[str, str]) -> tuple[str, ...]:
    return ARCHITECTURES if versions["triton"] != "-" else ()


def _missing(versions: dict[str, str]) -> Iterator[str]:
    """Packages that are not installed, or whose version is not the one that Burnish pins."""
    for name, version in versions.items():
        wanted = _pinned(name)
        if version == "-":
            yield f"{name}: {OPTIONAL.get(name, 'pip install burnish')}"
        elif wanted and wanted != version:
            yield f"{name} {wanted}, with which Burnish is tested, not {version}: pip install {name}=={wanted}"


def _pinned(name: str) -> str:
    """The version that Burnish's own metadata states for a package; empty if it states none, or a range."""
    try:
        demands = importlib.metadata.requires("burnish") or []
    except importlib.metadata.PackageNotFoundError:
        return ""
    for demand in demands:
        requirement, _, version = demand.partition(";")[0].partition("==")
        if requirement.strip().lower().replace("_", "-") == name:
            return version.strip()
    return ""


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "-"


def _system() -> str:
    """The distribution's name, where it states one."""
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", os.name)
    except OSError:
        return os.name
