"""Names, types, labels and help texts against what a real Triton's page had."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from burnish.serve.job import Failure
from burnish.serve.observe.exposition import page
from burnish.serve.observe.machine import Machine
from burnish.serve.observe.triton_metrics import cache_families, inference_families
from tests.serve.observe.fakes import MS, FakeVersion

CASES = Path(__file__).parents[4] / "shared/triton_cases/cases.jsonl"
CACHE = SimpleNamespace(lookups=0, hits=0, misses=0, evictions=0, entries=0, utilization=0, lookup_ns=0, insert_ns=0)


def lines(versions):
    return page(inference_families(versions)).decode().splitlines()


def test_values_of_a_version_are_those_of_its_statistics():
    version = FakeVersion("m", 2)
    version.ran(rows=3, queue_ns=2_000, input_ns=3_000, infer_ns=4_999, output_ns=6_000)
    version.ran(failure=Failure.BACKEND)
    version.scheduler.pending = 7
    shown = lines([version])
    for expected in (
        'nv_inference_request_success{model="m",version="2"} 1',
        'nv_inference_count{model="m",version="2"} 3',
        'nv_inference_exec_count{model="m",version="2"} 2',
        'nv_inference_request_duration_us{model="m",version="2"} 15',
        'nv_inference_queue_duration_us{model="m",version="2"} 2',
        'nv_inference_compute_input_duration_us{model="m",version="2"} 3',
        'nv_inference_compute_infer_duration_us{model="m",version="2"} 4',
        'nv_inference_compute_output_duration_us{model="m",version="2"} 6',
        'nv_inference_request_failure{model="m",reason="BACKEND",version="2"} 1',
        'nv_inference_request_failure{model="m",reason="REJECTED",version="2"} 0',
        'nv_inference_request_failure{model="m",reason="CANCELED",version="2"} 0',
        'nv_inference_request_failure{model="m",reason="OTHER",version="2"} 0',
        'nv_inference_pending_request_count{model="m",version="2"} 7',
    ):
        assert expected in shown
    assert not any("cache" in line and not line.startswith("#") for line in shown)


def test_only_models_with_a_cache_show_what_it_did():
    version = FakeVersion("m", has_cache=True)
    job = version.ran()
    version.statistics.cache_hit(job, 5_000)
    version.statistics.cache_missed(job, 8_000)
    shown = lines([version, FakeVersion("n")])
    assert 'nv_cache_num_hits_per_model{model="m",version="1"} 1' in shown
    assert 'nv_cache_hit_duration_per_model{model="m",version="1"} 5' in shown
    assert 'nv_cache_num_misses_per_model{model="m",version="1"} 1' in shown
    assert 'nv_cache_miss_duration_per_model{model="m",version="1"} 8' in shown
    assert not any("nv_cache" in line and 'model="n"' in line for line in shown)
    assert f'nv_inference_request_duration_us{{model="m",version="1"}} {8 * MS // 1000}' in shown


@pytest.mark.skipif(not CASES.exists(), reason="the recorded answers of Triton are not here")
def test_help_and_type_lines_are_the_recorded_ones():
    cases = map(json.loads, CASES.read_text().splitlines())
    recorded = next(c for c in cases if c["name"] == "metrics help and type lines")["response"]["body"]["text"]
    families = [*inference_families([FakeVersion("m", has_cache=True)]), *cache_families(CACHE), *Machine().families()]
    ours = [line for line in page(families).decode().splitlines() if line.startswith("#")]
    assert sorted(ours) == recorded.splitlines()
