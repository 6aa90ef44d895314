"""What a model version has done since it was loaded, in the form of the protocol's statistics extension.

A batch that ran counts once as an execution and each of its jobs as a success or a failure; an answer that is the
model's own error is a success, one out of the cache a success and no inference. Times are sums in nanoseconds.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from burnish.serve.job import Failure, Job
from burnish.serve.observe.histogram import StageHistograms


class BatchStatistics:
    """Executions of one batch size in rows."""

    __slots__ = ("count", "infer_ns", "input_ns", "output_ns")

    def __init__(self) -> None:
        self.count = self.input_ns = self.infer_ns = self.output_ns = 0


class ModelStatistics:
    """Observes one loaded version: members are those of scheduling's Observer.

    inferences    rows of the jobs that ran and succeeded
    executions    batches that ran
    last_ms       when the last one ended, since 1970; 0: never
    batches       by size in rows
    memory_bytes  what the version holds: weights once, and the buffers of its instances
    stages        durations of successful requests, counted in buckets
    """

    __slots__ = (
        "batches", "cache_hit_ns", "cache_hits", "cache_miss_ns", "cache_misses", "computed", "executions", "failures",
        "failures_ns", "infer_ns", "inferences", "input_ns", "last_ms", "memory_bytes", "output_ns", "queue_ns",
        "stages", "success_ns", "successes",
    )  # fmt: skip

    def __init__(self) -> None:
        self.inferences = self.executions = self.last_ms = self.memory_bytes = 0
        self.successes = self.success_ns = self.failures_ns = self.queue_ns = 0
        self.computed = self.input_ns = self.infer_ns = self.output_ns = 0
        self.cache_hits = self.cache_hit_ns = self.cache_misses = self.cache_miss_ns = 0
        self.failures = dict.fromkeys(Failure, 0)
        self.batches: dict[int, BatchStatistics] = {}
        self.stages = StageHistograms()

    def executed(self, jobs: Sequence[Job], done_ns: int) -> None:
        rows = 0
        for job in jobs:
            rows += job.rows
            if job.failure is not None:
                self.refused(job, job.failure)
                continue
            started = job.started_ns
            input_end = job.inputs_ready_ns or started
            infer_end = job.outputs_ready_ns or done_ns
            self._add(job, started - job.arrived_ns, input_end - started, infer_end - input_end, done_ns - infer_end)
        if rows:
            first = jobs[0]
            input_end = first.inputs_ready_ns or first.started_ns
            infer_end = first.outputs_ready_ns or done_ns
            self._add_batch(rows, input_end - first.started_ns, infer_end - input_end, done_ns - infer_end)

    def refused(self, job: Job, reason: Failure) -> None:
        self.failures[reason] += 1
        self.failures_ns += job.ended_ns - job.arrived_ns if job.ended_ns else 0

    def composed(self, job: Job, steps: Sequence[Job]) -> None:
        job.steps = steps
        if job.failure is not None:
            self.refused(job, job.failure)
            return
        ran = [s for s in steps if s.started_ns]
        queue = sum(s.started_ns - s.arrived_ns for s in ran)
        into = sum((s.inputs_ready_ns or s.started_ns) - s.started_ns for s in ran)
        infer = sum(s.outputs_ready_ns - (s.inputs_ready_ns or s.started_ns) for s in ran if s.outputs_ready_ns)
        out = sum(s.ended_ns - s.outputs_ready_ns for s in ran if s.outputs_ready_ns)
        self._add(job, queue, into, infer, out)
        self._add_batch(job.rows, into, infer, out)

    def cache_hit(self, job: Job, lookup_ns: int) -> None:
        whole_ns = job.ended_ns - job.arrived_ns
        self.successes += 1
        self.success_ns += whole_ns
        self.stages.add((-1, -1, -1, -1, whole_ns))
        self.cache_hits += 1
        self.cache_hit_ns += lookup_ns

    def cache_missed(self, job: Job, lookup_ns: int) -> None:
        self.cache_misses += 1
        self.cache_miss_ns += lookup_ns

    def _add(self, job: Job, queue_ns: int, input_ns: int, infer_ns: int, output_ns: int) -> None:
        whole_ns = (job.ended_ns or job.outputs_ready_ns or job.started_ns) - job.arrived_ns
        self.successes += 1
        self.success_ns += whole_ns
        self.inferences += job.rows
        self.computed += 1
        self.queue_ns += queue_ns
        self.input_ns += input_ns
        self.infer_ns += infer_ns
        self.output_ns += output_ns
        self.stages.add((queue_ns, input_ns, infer_ns, output_ns, whole_ns))

    def _add_batch(self, rows: int, input_ns: int, infer_ns: int, output_ns: int) -> None:
        self.executions += 1
        self.last_ms = time.time_ns() // 1_000_000
        batch = self.batches.get(rows)
        if batch is None:
            batch = self.batches[rows] = BatchStatistics()
        batch.count += 1
        batch.input_ns += input_ns
        batch.infer_ns += infer_ns
        batch.output_ns += output_ns

    def as_json(self, name: str, version: int) -> dict[str, Any]:
        """One entry of `model_stats`, with the field names of the protocol's messages too."""
        computed = self.computed
        return {
            "name": name,
            "version": str(version),
            "last_inference": self.last_ms,
            "inference_count": self.inferences,
            "execution_count": self.executions,
            "inference_stats": {
                "success": _duration(self.successes, self.success_ns),
                "fail": _duration(sum(self.failures.values()), self.failures_ns),
                "queue": _duration(computed + self.cache_hits, self.queue_ns),
                "compute_input": _duration(computed, self.input_ns),
                "compute_infer": _duration(computed, self.infer_ns),
                "compute_output": _duration(computed, self.output_ns),
                "cache_hit": _duration(self.cache_hits, self.cache_hit_ns),
                "cache_miss": _duration(self.cache_misses, self.cache_miss_ns),
            },
            "response_stats": {},
            "batch_stats": [
                {
                    "batch_size": rows,
                    "compute_input": _duration(batch.count, batch.input_ns),
                    "compute_infer": _duration(batch.count, batch.infer_ns),
                    "compute_output": _duration(batch.count, batch.output_ns),
                }
                for rows, batch in sorted(self.batches.items())
            ],
            "memory_usage": [{"type": "CPU", "id": 0, "byte_size": self.memory_bytes}] if self.memory_bytes else [],
        }


def _duration(count: int, ns: int) -> dict[str, int]:
    return {"count": count, "ns": ns}
