"""Metrics under Triton's names, types, labels and help texts, made of the statistics when the page is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from burnish.serve.observe.exposition import COUNTER, GAUGE, Family, label_text
from burnish.serve.observe.statistics import ModelStatistics
from burnish.serve.observe.watched import Cache, Version

_COUNTERS: tuple[tuple[str, str, Callable[[ModelStatistics], int]], ...] = (
    (
        "nv_inference_request_success",
        "Number of successful inference requests, all batch sizes",
        lambda s: s.successes,
    ),
    (
        "nv_inference_count",
        "Number of inferences performed (does not include cached requests)",
        lambda s: s.inferences,
    ),
    (
        "nv_inference_exec_count",
        "Number of model executions performed (does not include cached requests)",
        lambda s: s.executions,
    ),
    (
        "nv_inference_request_duration_us",
        "Cumulative inference request duration in microseconds (includes cached requests)",
        lambda s: s.success_ns // 1000,
    ),
    (
        "nv_inference_queue_duration_us",
        "Cumulative inference queuing duration in microseconds (includes cached requests)",
        lambda s: s.queue_ns // 1000,
    ),
    (
        "nv_inference_compute_input_duration_us",
        "Cumulative compute input duration in microseconds (does not include cached requests)",
        lambda s: s.input_ns // 1000,
    ),
    (
        "nv_inference_compute_infer_duration_us",
        "Cumulative compute inference duration in microseconds (does not include cached requests)",
        lambda s: s.infer_ns // 1000,
    ),
    (
        "nv_inference_compute_output_duration_us",
        "Cumulative inference compute output duration in microseconds (does not include cached requests)",
        lambda s: s.output_ns // 1000,
    ),
)
_FAILURES = ("nv_inference_request_failure", COUNTER, "Number of failed inference requests, all batch sizes")
_PENDING = (
    "nv_inference_pending_request_count",
    GAUGE,
    "Instantaneous number of pending requests awaiting execution per-model.",
)
_CACHE_OF_MODEL: tuple[tuple[str, str, Callable[[ModelStatistics], int]], ...] = (
    ("nv_cache_num_hits_per_model", "Number of cache hits per model", lambda s: s.cache_hits),
    (
        "nv_cache_hit_duration_per_model",
        "Total cache hit duration per model, in microseconds",
        lambda s: s.cache_hit_ns // 1000,
    ),
    ("nv_cache_num_misses_per_model", "Number of cache misses per model", lambda s: s.cache_misses),
    (
        "nv_cache_miss_duration_per_model",
        "Total cache miss (insert+lookup) duration per model, in microseconds",
        lambda s: s.cache_miss_ns // 1000,
    ),
)
_CACHE: tuple[tuple[str, str, Callable[[Cache], float]], ...] = (
    ("nv_cache_num_entries", "Number of responses stored in response cache", lambda c: c.entries),
    ("nv_cache_num_lookups", "Number of cache lookups in response cache", lambda c: c.lookups),
    ("nv_cache_num_hits", "Number of cache hits in response cache", lambda c: c.hits),
    ("nv_cache_num_misses", "Number of cache misses in response cache", lambda c: c.misses),
    ("nv_cache_num_evictions", "Number of cache evictions in response cache", lambda c: c.evictions),
    (
        "nv_cache_lookup_duration",
        "Total cache lookup duration (hit and miss), in microseconds",
        lambda c: c.lookup_ns // 1000,
    ),
    ("nv_cache_insertion_duration", "Total cache insertion duration, in microseconds", lambda c: c.insert_ns // 1000),
    ("nv_cache_util", "Cache utilization [0.0 - 1.0]", lambda c: c.utilization),
)


def inference_families(versions: Sequence[Version]) -> Iterable[Family]:
    labelled = [(v.statistics, label_text(model=v.name, version=str(v.number))) for v in versions]
    for name, told, value in _COUNTERS:
        family = Family(name, COUNTER, told)
        for statistics, labels in labelled:
            family.add(value(statistics), labels)
        yield family
    failures = Family(*_FAILURES)
    pending = Family(*_PENDING)
    for v, (_, labels) in zip(versions, labelled):
        for reason, count in v.statistics.failures.items():
            failures.add(count, label_text(model=v.name, reason=reason.value, version=str(v.number)))
        pending.add(v.scheduler.pending, labels)
    yield failures
    yield pending
    for name, told, value in _CACHE_OF_MODEL:
        family = Family(name, COUNTER, told)
        for v, (statistics, labels) in zip(versions, labelled):
            if v.config.response_cache.enable:
                family.add(value(statistics), labels)
        yield family


def cache_families(cache: Cache) -> Iterable[Family]:
    """Triton calls all of these gauges."""
    for name, told, value in _CACHE:
        family = Family(name, GAUGE, told)
        family.add(value(cache))
        yield family
