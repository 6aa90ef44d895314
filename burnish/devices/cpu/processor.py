"""What this machine is: processor level, extensions, cores, memory.

A level (x86-64-v2, v3, v4) and extensions are read from the processor's flags, never from its name.
"""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path

from burnish.devices.cpu import tile_permission
from burnish.errors import EnvironmentProblem
from burnish.target import EXTENSIONS, LEVELS, Target

_V1_FLAGS = frozenset({"fxsr", "mmx", "sse", "sse2"})


def best_target() -> Target:
    """The highest level this machine has, with its extensions. E831 below x86-64-v2."""
    levels = [level for level in LEVELS if not supports(Target("cpu", level))]
    if not levels:
        raise EnvironmentProblem(
            "E831",
            "this processor is older than any Burnish has code for",
            why=f"x86-64-v2 needs {', '.join(supports(Target('cpu', LEVELS[0])))}",
            hint="run on a 64-bit x86 processor of 2009 or later, under Linux",
        )
    found = [e for e in EXTENSIONS if levels[-1] == LEVELS[-1] and not supports(Target("cpu", levels[-1], (e,)))]
    return Target("cpu", levels[-1], tuple(sorted(found)))


def supports(target: Target) -> list[str]:
    """The processor flags that the target's code may use and this machine lacks. Empty: the code runs here.

    Asks the kernel for the use of tiles, once, if only that is left to ask.
    """
    if target.kind != "cpu":
        return [f"a {target.kind} device"]
    lacking = [flag for flag in target.needed_flags if flag not in flags()]
    if not lacking and target.has_tiles and (reason := tile_permission.refusal()) is not None:
        return [f"the use of AMX's tiles ({reason})"]
    return lacking


@functools.cache
def flags(path: str = "/proc/cpuinfo") -> frozenset[str]:
    """The processor's flags, by Linux's names. Empty on another architecture, x86-64-v1's if they cannot be read."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return frozenset()
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _V1_FLAGS
    lines = (line.partition(":")[2] for line in text.splitlines() if line.startswith("flags"))
    return frozenset(next(lines, "").split()) | _V1_FLAGS


@functools.cache
def processor_name(path: str = "/proc/cpuinfo") -> str:
    """The name that the processor reports; "unknown" if it reports none."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    names = (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name"))
    return next(names, "") or platform.processor() or "unknown"


def pays(extension: str, path: str = "/proc/cpuinfo") -> bool:
    """Is code faster with this extension, on a processor that has it?

    bf16: AMD's processors multiply pairs at twice f32's rate; Intel's, outside AMX, at 0.58 of it (measured on Sapphire
    Rapids: vdpbf16ps 88 GFLOP/s a core, f32 multiply-adds 152)
    """
    if extension != "bf16":
        return True
    try:
        return "GenuineIntel" not in Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True


def core_count() -> int:
    """Cores this process may use: its affinity, bounded by the container's quota."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _container_quota()
    return max(1, min(available, quota) if quota else available)


def memory_bytes() -> int:
    """Physical memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def available_bytes(path: str = "/proc/meminfo") -> int:
    """Memory that a new process could use without swapping; all memory if the system does not report it."""
    try:
        text = Path(path).read_text(encoding="ascii")
        return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return memory_bytes()


def _container_quota(path: str = "/sys/fs/cgroup/cpu.max") -> int:
    """Whole cores a control group grants, rounded up; 0 if it sets no limit."""
    try:
        granted, period = Path(path).read_text(encoding="utf-8").split()
        return 0 if granted == "max" else -(-int(granted) // int(period))
    except (OSError, ValueError):
        return 0
