"""The machine under the server: processors, memory, this process, GPUs. Read when asked, from /proc and NVML."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from burnish.serve.observe.exposition import COUNTER, GAUGE, Family, label_text

_LEAST_S = 0.5  # between two looks at the processors, so that several readers do not spoil each other's share


class Machine:
    """proc: where the kernel tells. GPUs are shown once they have been looked for."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._nvml: Any = None
        self._times = self._read_times()
        self._looked_s = time.monotonic()
        self._utilization = 0.0
        self._gpus: list[tuple[str, Any, float]] = []

    def look_for_gpus(self, nvml: Any = None) -> None:
        """nvml: cuda.bindings.nvml; found if it is not given. Slow, so it is for another thread than the loop's."""
        nvml = nvml or find_nvml()
        if nvml is not None:
            with contextlib.suppress(Exception):
                found = _open_gpus(nvml)
                self._nvml, self._gpus = nvml, found

    # ---- values -------------------------------------------------------------------------------------------------

    def utilization(self) -> float:
        """The part of all processors that was busy since the look before this one."""
        now_s = time.monotonic()
        if now_s - self._looked_s >= _LEAST_S or not self._utilization:
            times = self._read_times()
            total = sum(times) - sum(self._times)
            if total > 0:
                idle = sum(times[3:5]) - sum(self._times[3:5])
                self._utilization = max(0.0, min(1.0, 1 - idle / total))
                self._times, self._looked_s = times, now_s
        return self._utilization

    def memory_bytes(self) -> tuple[int, int]:
        """(all, used)"""
        found = dict.fromkeys(("MemTotal", "MemAvailable"), 0)
        for line in self._read("meminfo").splitlines():
            name, _, value = line.partition(":")
            if name in found:
                found[name] = int(value.split()[0]) * 1024
        return found["MemTotal"], found["MemTotal"] - found["MemAvailable"]

    def resident_bytes(self) -> int:
        """Of this process."""
        fields = self._read("self/statm").split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 else 0

    def _read_times(self) -> list[int]:
        """user, nice, system, idle, iowait, irq, softirq, steal, in ticks; what guests used stands in user already."""
        first = self._read("stat").partition("\n")[0].split()
        return [int(n) for n in first[1:9]] if first[:1] == ["cpu"] else [0] * 8

    def _read(self, name: str) -> str:
        try:
            return (self._proc / name).read_text()
        except OSError:
            return ""

    # ---- metrics ------------------------------------------------------------------------------------------------

    def families(self) -> Iterable[Family]:
        total, used = self.memory_bytes()
        yield _gauge("nv_cpu_utilization", "CPU utilization rate [0.0 - 1.0]", self.utilization())
        yield _gauge("nv_cpu_memory_total_bytes", "CPU total memory (RAM), in bytes", total)
        yield _gauge("nv_cpu_memory_used_bytes", "CPU used memory (RAM), in bytes", used)
        # Tensors go from a client's bytes to the device without a pool of pinned memory between.
        yield _gauge("nv_pinned_memory_pool_total_bytes", "Pinned memory pool total memory size, in bytes", 0)
        yield _gauge("nv_pinned_memory_pool_used_bytes", "Pinned memory pool used memory size, in bytes", 0)
        yield from self._gpu_families()

    def _gpu_families(self) -> Iterable[Family]:
        families = [Family(name, kind, told) for name, kind, told in _GPU]
        for uuid, handle, energy_start in self._gpus:
            for family, read in zip(families, _READ_GPU):
                with contextlib.suppress(Exception):  # a GPU that does not tell one of them
                    family.add(read(self._nvml, handle, energy_start), label_text(gpu_uuid=uuid))
        return families


_GPU = (
    ("nv_gpu_utilization", GAUGE, "GPU utilization rate [0.0 - 1.0)"),
    ("nv_gpu_memory_total_bytes", GAUGE, "GPU total memory, in bytes"),
    ("nv_gpu_memory_used_bytes", GAUGE, "GPU used memory, in bytes"),
    ("nv_gpu_power_usage", GAUGE, "GPU power usage in watts"),
    ("nv_gpu_power_limit", GAUGE, "GPU power management limit in watts"),
    ("nv_energy_consumption", COUNTER, "GPU energy consumption in joules since the Triton Server started"),
)


def _utilization(nvml: Any, gpu: Any, start: float) -> float:
    return float(nvml.device_get_utilization_rates(gpu).gpu) / 100


def _memory_total(nvml: Any, gpu: Any, start: float) -> float:
    return int(nvml.device_get_memory_info_v2(gpu).total)


def _memory_used(nvml: Any, gpu: Any, start: float) -> float:
    return int(nvml.device_get_memory_info_v2(gpu).used)


def _power(nvml: Any, gpu: Any, start: float) -> float:
    return float(nvml.device_get_power_usage(gpu)) / 1000


def _power_limit(nvml: Any, gpu: Any, start: float) -> float:
    return float(nvml.device_get_enforced_power_limit(gpu)) / 1000


def _energy(nvml: Any, gpu: Any, start: float) -> float:
    return float(nvml.device_get_total_energy_consumption(gpu)) / 1000 - start


_READ_GPU = (_utilization, _memory_total, _memory_used, _power, _power_limit, _energy)


def _open_gpus(nvml: Any) -> list[tuple[str, Any, float]]:
    """(UUID, handle, energy so far in joules) of each."""
    found = []
    for index in range(nvml.device_get_count_v2()):
        handle = nvml.device_get_handle_by_index_v2(index)
        energy = 0.0
        with contextlib.suppress(Exception):
            energy = _energy(nvml, handle, 0.0)
        found.append((str(nvml.device_get_uuid(handle)), handle, energy))
    return found


def find_nvml(driver: Path = Path("/proc/driver/nvidia")) -> Any:
    """NVML, ready to be asked; None without a driver, or without the extra that binds it. Slow to import: 30 ms."""
    if not driver.exists():
        return None
    try:
        from cuda.bindings import nvml

        nvml.init_v2()
    except Exception:
        return None
    return nvml


def _gauge(name: str, told: str, value: float) -> Family:
    family = Family(name, GAUGE, told)
    family.add(value)
    return family
