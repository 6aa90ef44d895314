"""A clock that tests turn, and instances that end when tests say so."""

from __future__ import annotations

import heapq
import itertools

import numpy as np
from google.protobuf import text_format

from burnish.serve.job import Job
from burnish.serve.proto.model_config_pb2 import ModelConfig
from burnish.serve.request import Request, Sequence, Tensor

US, MS = 1_000, 1_000_000
STARTS = itertools.count()


class FakeClock:
    def __init__(self):
        self.time_ns = 1_000_000_000
        self._alarms, self._order = [], itertools.count()

    def now_ns(self):
        return self.time_ns

    def call_at(self, when_ns, call):
        entry = [when_ns, next(self._order), call]
        heapq.heappush(self._alarms, entry)

        def cancel():
            entry[2] = None

        return cancel

    @property
    def alarms(self):
        return sum(entry[2] is not None for entry in self._alarms)

    def advance(self, ns):
        end = self.time_ns + ns
        while self._alarms and self._alarms[0][0] <= end:
            when, _, call = heapq.heappop(self._alarms)
            self.time_ns = max(self.time_ns, when)
            if call is not None:
                call()
        self.time_ns = end


class FakeInstance:
    """Holds its batch until `end` is called, or with `in_place` answers at once. Answers with `outputs_of(job)`."""

    def __init__(self, name="i0", in_place=False, outputs_of=None, error_of=None, clock=None):
        self.name, self.in_place = name, in_place
        self.batches = []
        self.starts = {}  # a job's number in the order in which all fakes start jobs
        self.running = None
        self._outputs_of = outputs_of or (lambda job: list(job.request.inputs.values()))
        self._error_of = error_of or (lambda job: None)
        self._clock = clock

    def run(self, jobs, done):
        assert self.running is None, "an instance runs one batch at a time"
        assert jobs
        self.batches.append(list(jobs))
        for job in jobs:
            self.starts[job] = next(STARTS)
        self.running = (jobs, done)
        if self.in_place:
            self.end()

    def end(self):
        (jobs, done), self.running = self.running, None
        for job in jobs:
            job.inputs_ready_ns = job.outputs_ready_ns = self._clock.now_ns() if self._clock else job.started_ns
            error = self._error_of(job)
            if error is not None:
                job.fail(error)
            else:
                job.answer(self._outputs_of(job))
        done()

    @property
    def rows(self):
        return [sum(job.rows for job in batch) for batch in self.batches]

    @property
    def ids(self):
        return [[job.request.id for job in batch] for batch in self.batches]


class Seen:
    """An observer that writes down what it is told."""

    def __init__(self):
        self.events = []

    def executed(self, jobs, done_ns):
        self.events.append(("executed", [j.request.id for j in jobs]))

    def refused(self, job, reason):
        self.events.append(("refused", job.request.id, str(reason)))

    def composed(self, job, steps):
        self.events.append(("composed", job.request.id, [s.model for s in steps]))

    def cache_hit(self, job, lookup_ns):
        self.events.append(("hit", job.request.id))

    def cache_missed(self, job, lookup_ns):
        self.events.append(("missed", job.request.id))


def config(text):
    return text_format.Parse(text, ModelConfig())


def tensor(name, data, datatype="FP32"):
    return Tensor(name, datatype, np.asarray(data))


def make_job(id="", rows=1, shape=(2,), inputs=None, model="m", version=1, sequence=None, **fields):
    """A job and the list that its answers go to."""
    answers = []
    if inputs is None:
        inputs = {"IN": tensor("IN", np.zeros((rows, *shape), np.float32))}
    if sequence is not None:
        fields["sequence"] = Sequence(*sequence)
    job = Job(Request(model, inputs, id=str(id), **fields), model, version, rows, answers.append)
    return job, answers


def submit(scheduler, id="", **fields):
    job, answers = make_job(id, **fields)
    scheduler.submit(job)
    return job, answers
