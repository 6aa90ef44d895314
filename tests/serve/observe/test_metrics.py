from types import SimpleNamespace

from prometheus_client.parser import text_string_to_metric_families

from burnish.serve.observe.exposition import GAUGE, Family
from burnish.serve.observe.metrics import Metrics
from tests.serve.observe.fakes import FakeVersion, fake_server


def values(metrics):
    families = list(text_string_to_metric_families(metrics.text().decode()))
    return {(s.name, *sorted(s.labels.items())): s.value for f in families for s in f.samples}


def test_the_page_has_models_states_process_and_what_others_add():
    version = FakeVersion("m", 3)
    version.ran()
    metrics = Metrics(fake_server(version, unavailable=[("broken", 1, "UNAVAILABLE", "why")]))
    more = Family("mine", GAUGE, "of a Python model")
    more.add(7)
    metrics.more.append(lambda: [more])
    seen = values(metrics)
    assert b'nv_inference_count{model="m",version="3"} 1\n' in metrics.text()
    assert seen["burnish_model_ready", ("model", "m"), ("version", "3")] == 1
    assert seen["burnish_model_ready", ("model", "broken"), ("version", "1")] == 0
    assert seen["burnish_info", ("version", "1.2")] == 1
    assert seen["burnish_server_ready",] == 1
    assert seen["process_resident_memory_bytes",] > 10 << 20
    assert seen["process_cpu_seconds_total",] > 0
    assert seen["mine",] == 7
    assert not any(key[0].startswith(("nv_cache", "burnish_shadow")) for key in seen)


def test_cache_and_shadow_traffic_are_shown_where_there_are_some():
    cache = SimpleNamespace(
        lookups=5, hits=2, misses=3, evictions=1, entries=4, utilization=0.5, lookup_ns=9_000, insert_ns=3_999
    )
    output = SimpleNamespace(elements=10, unequal=3, beyond=2, requests=1, max_abs=0.25, max_rel=0.5)
    shadow = SimpleNamespace(compared=6, failed=1, skipped=2, outputs={"y": output})
    seen = values(Metrics(fake_server(), cache=cache, shadows=lambda: {"m": shadow}))
    assert [seen[f"nv_cache_{name}",] for name in ("num_lookups", "num_hits", "num_misses", "num_evictions")] == [
        5, 2, 3, 1,
    ]  # fmt: skip
    assert (seen["nv_cache_num_entries",], seen["nv_cache_util",]) == (4, 0.5)
    assert (seen["nv_cache_lookup_duration",], seen["nv_cache_insertion_duration",]) == (9, 3)
    assert seen["burnish_shadow_compared_total", ("model", "m")] == 6
    assert seen["burnish_shadow_failed_total", ("model", "m")] == 1
    assert seen["burnish_shadow_skipped_total", ("model", "m")] == 2
    of_output = (("model", "m"), ("output", "y"))
    assert seen["burnish_shadow_different_total", *of_output] == 1
    assert seen["burnish_shadow_elements_total", *of_output] == 10
    assert seen["burnish_shadow_elements_different_total", *of_output] == 2
    assert seen["burnish_shadow_max_difference", *of_output] == 0.25
