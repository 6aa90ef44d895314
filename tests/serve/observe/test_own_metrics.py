from types import SimpleNamespace

from prometheus_client.parser import text_string_to_metric_families

from burnish.serve.observe.exposition import page
from burnish.serve.observe.own_metrics import shadow_families, state_families, version_families
from tests.serve.observe.fakes import MS, FakeVersion, fake_server


def values(families):
    read = text_string_to_metric_families(page(families).decode())
    return {(s.name, *sorted(s.labels.items())): s.value for f in read for s in f.samples}


def test_each_stage_has_a_histogram_in_seconds():
    version = FakeVersion("m")
    for _ in range(3):
        version.ran(queue_ns=0, input_ns=MS, infer_ns=20 * MS, output_ns=3000)
    seen = values(version_families([version]))
    of = (("model", "m"),)

    def below(stage, le):
        return seen["burnish_stage_duration_seconds_bucket", ("le", le), *of, ("stage", stage), ("version", "1")]

    assert [below("queue", le) for le in ("1e-06", "1", "+Inf")] == [3, 3, 3]
    assert [below("input", le) for le in ("0.0005", "0.001")] == [0, 3]
    assert [below("infer", le) for le in ("0.01", "0.02")] == [0, 3]
    assert [below("output", le) for le in ("2e-06", "5e-06")] == [0, 3]
    assert [below("whole", le) for le in ("0.02", "0.05")] == [0, 3]
    label = (*of, ("stage", "infer"), ("version", "1"))
    assert seen["burnish_stage_duration_seconds_sum", *label] == 0.06
    assert seen["burnish_stage_duration_seconds_count", *label] == 3


def test_a_failed_request_is_in_no_histogram_of_durations_and_an_answer_of_the_cache_in_that_of_the_whole():
    version = FakeVersion("m")
    version.ran(failure="BACKEND")
    assert not any(name.startswith("burnish_stage") for name, *_ in values(version_families([version])))
    version.statistics.cache_hit(version.ran(), 5_000)
    seen = values(version_families([version]))
    count = {key[2][1]: value for key, value in seen.items() if key[0] == "burnish_stage_duration_seconds_count"}
    assert count == {"queue": 1, "input": 1, "infer": 1, "output": 1, "whole": 2}


def test_batches_are_counted_by_rows():
    version = FakeVersion("m")
    for rows in (1, 1, 3, 8):
        version.ran(rows=rows)
    seen = values(version_families([version]))
    rest = (("model", "m"), ("version", "1"))
    found = [seen["burnish_batch_rows_bucket", ("le", le), *rest] for le in ("1", "2", "4", "8", "+Inf")]
    assert found == [2, 2, 3, 4, 4]
    assert seen["burnish_batch_rows_sum", *rest] == 13


def test_in_flight_memory_and_state_are_shown_of_every_version():
    version = FakeVersion("m")
    version.in_flight, version.memory_bytes = 4, 1 << 20
    label = (("model", "m"), ("version", "1"))
    seen = values(version_families([version]))
    assert seen == {
        ("burnish_requests_in_flight", *label): 4,
        ("burnish_model_memory_bytes", *label): 1 << 20,
    }
    states = values(state_families(fake_server(version, unavailable=[("x", 2, "LOADING", "")]).repository))
    assert states == {
        ("burnish_model_ready", *label): 1,
        ("burnish_model_ready", ("model", "x"), ("version", "2")): 0,
    }


def test_shadow_traffic_without_an_output_yet_shows_its_counts_alone():
    seen = values(shadow_families({"m": SimpleNamespace(compared=2, failed=2, skipped=0, outputs={})}))
    assert seen == {
        ("burnish_shadow_compared_total", ("model", "m")): 2,
        ("burnish_shadow_failed_total", ("model", "m")): 2,
        ("burnish_shadow_skipped_total", ("model", "m")): 0,
    }
