"""Metrics that Triton does not have, named `burnish_...`: histograms, states, memory, shadow traffic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from burnish.serve.observe.exposition import COUNTER, GAUGE, HISTOGRAM, Family, format_number, label_text
from burnish.serve.observe.histogram import BOUNDS_NS, SHOWN, STAGES, shown_counts
from burnish.serve.observe.statistics import ModelStatistics
from burnish.serve.observe.watched import Repository, Shadow, Version

_BOUNDS_S = tuple(format_number(BOUNDS_NS[i] / 1e9) for i in SHOWN)
_ROWS = tuple(1 << i for i in range(11))
_ROWS_SHOWN = tuple(map(str, _ROWS))
_DURATION = ("burnish_stage_duration_seconds", HISTOGRAM, "How long successful requests were in each stage, in seconds")
_BATCH_ROWS = ("burnish_batch_rows", HISTOGRAM, "Rows of the batches that ran")
_IN_FLIGHT = ("burnish_requests_in_flight", GAUGE, "Requests that are queued or run now")
_MEMORY = (
    "burnish_model_memory_bytes",
    GAUGE,
    "Memory that a version holds in bytes: weights, code and working memory",
)
_READY = ("burnish_model_ready", GAUGE, "1 if the version answers requests; 0 while it loads or if it cannot")


def version_families(versions: Sequence[Version]) -> Iterable[Family]:
    """Histograms are shown of versions that were asked, so that a thousand idle models cost no page of zeros."""
    durations, rows, in_flight, memory = (Family(*f) for f in (_DURATION, _BATCH_ROWS, _IN_FLIGHT, _MEMORY))
    for v in versions:
        labels = label_text(model=v.name, version=str(v.number))
        in_flight.add(v.in_flight, labels)
        memory.add(v.memory_bytes, labels)
        if v.statistics.successes:
            for stage, counts, total_ns in zip(STAGES, v.statistics.stages.counts, _totals_ns(v.statistics)):
                durations.add_histogram(_BOUNDS_S, shown_counts(counts), total_ns / 1e9, f'{labels},stage="{stage}"')
        if v.statistics.batches:
            sizes = [(size, batch.count) for size, batch in v.statistics.batches.items()]
            below = [sum(n for size, n in sizes if size <= bound) for bound in _ROWS]
            total = sum(size * n for size, n in sizes)
            rows.add_histogram(_ROWS_SHOWN, [*below, sum(n for _, n in sizes)], total, labels)
    return durations, rows, in_flight, memory


def _totals_ns(s: ModelStatistics) -> tuple[int, ...]:
    return s.queue_ns, s.input_ns, s.infer_ns, s.output_ns, s.success_ns


def state_families(repository: Repository) -> Iterable[Family]:
    ready = Family(*_READY)
    for name, model in sorted(repository.models.items()):
        for number, held in sorted(model.versions.items()):
            ready.add(int(held.state == "READY"), label_text(model=name, version=str(number)))
    yield ready


def shadow_families(shadows: Mapping[str, Shadow]) -> Iterable[Family]:
    compared = Family(
        "burnish_shadow_compared_total", COUNTER, "Requests that a shadow version answered too, or failed to"
    )
    failed = Family("burnish_shadow_failed_total", COUNTER, "Requests that the shadow version failed to answer")
    skipped = Family(
        "burnish_shadow_skipped_total", COUNTER, "Requests that were not copied, since too many were under way there"
    )
    requests = Family(
        "burnish_shadow_different_total", COUNTER, "Requests whose answers differ by more than the tolerance"
    )
    elements = Family("burnish_shadow_elements_total", COUNTER, "Numbers that were compared")
    beyond = Family(
        "burnish_shadow_elements_different_total", COUNTER, "Numbers that differ by more than the tolerance"
    )
    largest = Family("burnish_shadow_max_difference", GAUGE, "The largest absolute difference so far")
    for name, report in sorted(shadows.items()):
        model = label_text(model=name)
        compared.add(report.compared, model)
        failed.add(report.failed, model)
        skipped.add(report.skipped, model)
        for output, found in sorted(report.outputs.items()):
            label = label_text(model=name, output=output)
            requests.add(found.requests, label)
            elements.add(found.elements, label)
            beyond.add(found.beyond, label)
            largest.add(found.max_abs, label)
    return compared, failed, skipped, requests, elements, beyond, largest
