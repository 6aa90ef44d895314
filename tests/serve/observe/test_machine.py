import sys
from types import SimpleNamespace

import psutil
import pytest

from burnish.serve.observe.exposition import page
from burnish.serve.observe.machine import Machine, find_nvml


def test_memory_and_this_process_are_what_psutil_sees():
    machine = Machine()
    total, used = machine.memory_bytes()
    seen = psutil.virtual_memory()
    assert total == seen.total
    assert used == pytest.approx(seen.total - seen.available, rel=0.2)
    assert machine.resident_bytes() == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)


def test_utilization_is_the_busy_part_between_two_looks(tmp_path):
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 1 1 1\n")
    machine = Machine(tmp_path)
    stat.write_text("cpu  130 0 130 820 120 0 0 0 0 0\n")
    assert machine.utilization() == pytest.approx(60 / 200)
    stat.write_text("cpu  999 0 999 820 120 0 0 0 0 0\n")
    assert machine.utilization() == pytest.approx(60 / 200), "a second reader at once sees the same"


def test_a_kernel_that_tells_nothing_is_zeros(tmp_path):
    machine = Machine(tmp_path)
    assert (machine.utilization(), machine.memory_bytes(), machine.resident_bytes()) == (0.0, (0, 0), 0)


class FakeNvml:
    """Two GPUs; the second does not tell its power. Names are those of cuda.bindings.nvml."""

    energy = 5_000_000

    def device_get_count_v2(self):
        return 2

    def device_get_handle_by_index_v2(self, index):
        return index

    def device_get_uuid(self, gpu):
        return f"GPU-{gpu}"

    def device_get_utilization_rates(self, gpu):
        return SimpleNamespace(gpu=40 + gpu)

    def device_get_memory_info_v2(self, gpu):
        return SimpleNamespace(total=1000, used=300)

    def device_get_power_usage(self, gpu):
        if gpu:
            raise RuntimeError("not supported")
        return 120_500

    def device_get_enforced_power_limit(self, gpu):
        return 700_000

    def device_get_total_energy_consumption(self, gpu):
        return self.energy


def test_gpus_are_shown_by_uuid_in_tritons_units_and_energy_from_the_start_on():
    nvml = FakeNvml()
    machine = Machine()
    machine.look_for_gpus(nvml)
    nvml.energy += 2_500
    shown = page(machine.families()).decode().splitlines()
    for expected in (
        'nv_gpu_utilization{gpu_uuid="GPU-0"} 0.4',
        'nv_gpu_utilization{gpu_uuid="GPU-1"} 0.41',
        'nv_gpu_memory_total_bytes{gpu_uuid="GPU-0"} 1000',
        'nv_gpu_memory_used_bytes{gpu_uuid="GPU-1"} 300',
        'nv_gpu_power_usage{gpu_uuid="GPU-0"} 120.5',
        'nv_gpu_power_limit{gpu_uuid="GPU-1"} 700',
        'nv_energy_consumption{gpu_uuid="GPU-0"} 2.5',
        "# TYPE nv_energy_consumption counter",
    ):
        assert expected in shown
    assert not any(line.startswith('nv_gpu_power_usage{gpu_uuid="GPU-1"}') for line in shown)


def test_the_binding_has_every_name_that_is_called():
    nvml = pytest.importorskip("cuda.bindings.nvml", reason="the extra [cuda] is not installed")
    for name in vars(FakeNvml):
        if name.startswith("device_"):
            assert callable(getattr(nvml, name))


def test_without_the_driver_or_the_binding_there_are_no_gpus(monkeypatch, tmp_path):
    assert find_nvml(tmp_path / "none") is None
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    assert find_nvml(tmp_path) is None
    machine = Machine()
    machine.look_for_gpus()
    assert b"nv_gpu" not in page(machine.families())
