"""Composing models with schedulers of their own, as a server would have them loaded."""

from __future__ import annotations

import numpy as np

from burnish.serve.job import Job
from burnish.serve.scheduling.make import make_scheduler
from burnish.serve.status import Code, ServeError
from tests.serve.scheduling.fakes import FakeClock, FakeInstance, Seen, config, make_job, tensor


class Loaded:
    """A model whose instance computes `outputs_of(inputs)`, name to array, from name to array."""

    def __init__(self, name, outputs_of, clock, text="", rows=4, in_place=True):
        self.config = config(f'name: "{name}" max_batch_size: {rows} {text}')
        self.seen, self.requests = Seen(), []
        self.instance = FakeInstance(name, in_place, self._outputs_of, self._error_of)
        self.outputs_of, self.error = outputs_of, None
        self.scheduler = make_scheduler(self.config, [self.instance], clock, observer=self.seen)

    def _outputs_of(self, job):
        made = self.outputs_of({n: t.data for n, t in job.request.inputs.items()})
        return [tensor(n, data, "FP32") for n, data in made.items()]

    def _error_of(self, job):
        return self.error

    def submit(self, request, reply):
        self.requests.append(request)
        rows = next(iter(request.inputs.values())).data.shape[0] if self.config.max_batch_size else 1
        job = Job(request, self.config.name, 1, rows, reply)
        self.scheduler.submit(job)
        return job


class Bench:
    """models: name to a function of arrays, or to keyword arguments of Loaded."""

    def __init__(self, text, models, rows=4, **options):
        self.clock, self.seen = FakeClock(), Seen()
        self.models = {}
        for name, given in models.items():
            given = given if isinstance(given, dict) else {"outputs_of": given}
            self.models[name] = Loaded(name, clock=self.clock, **given)
        head = f'name: "e" platform: "ensemble" max_batch_size: {rows} '
        self.scheduler = make_scheduler(
            config(head + text), (), self.clock, observer=self.seen, find=self.find, **options
        )

    def find(self, name, version):
        if name not in self.models:
            raise ServeError(Code.NOT_FOUND, f"Request for unknown model: '{name}' is not found")
        return self.models[name]

    def submit(self, id="", rows=1, **fields):
        arrays = fields.pop("arrays", None) or {"X": np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)}
        inputs = {n: tensor(n, data) for n, data in arrays.items()}
        job, answers = make_job(id, rows, inputs=inputs, model="e", **fields)
        self.scheduler.submit(job)
        return job, answers


def step(model, inputs, outputs):
    """inputs and outputs: the model's name = the ensemble's, as `A=x B=y`."""
    maps = [("input_map", inputs), ("output_map", outputs)]
    body = " ".join(
        f'{m} {{ key: "{p.split("=")[0]}" value: "{p.split("=")[1]}" }}' for m, t in maps for p in t.split()
    )
    return f'step {{ model_name: "{model}" model_version: -1 {body} }}'


def ensemble(*steps, inputs="X", outputs="Z", more="", dims="2"):
    parts = [f'input {{ name: "{n}" data_type: TYPE_FP32 dims: {dims} }}' for n in inputs.split()]
    parts += [f'output {{ name: "{n}" data_type: TYPE_FP32 dims: {dims} }}' for n in outputs.split()]
    return " ".join(parts) + f" ensemble_scheduling {{ {' '.join(steps)} {more} }}"


def shown(answer):
    return {t.name: t.data.tolist() for t in answer.outputs}
