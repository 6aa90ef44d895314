"""Requests of different lengths in one batch: axes are padded to the next bucket, answers cut back, rows filled up.

A padded axis counts as its bucket when shapes are compared, so requests of one bucket share a batch. A length above the
last bucket stays as it is. The configuration's parameters `burnish.buckets`, `burnish.pad`, `burnish.trim` and
`burnish.batch_sizes` say all of it.

Made copies: an input that is shorter than its bucket, once. Outputs are cut as views.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.serve.config.options.options import Bucket, Options
from burnish.serve.config.options.values import Axis
from burnish.serve.job import Job
from burnish.serve.proto.model_config_pb2 import ModelConfig
from burnish.serve.request import Tensor
from burnish.serve.scheduling.nobody import nobody

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class PaddingRule:
    """offset: 1 if arrays have a batch dimension first, which axes are counted without."""

    options: Options
    offset: int

    def padded_shape(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Of an input, without the batch: what is compared when a batch is formed."""
        sizes = list(shape)
        for axis, bucket in self.options.buckets.items():
            if axis.tensor == name:
                sizes[axis.axis] = bucket.size_for(sizes[axis.axis])
        return tuple(sizes)

    def apply(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Pad the inputs, have the answers cut back. The result is to run: the jobs, and one that fills the rows up."""
        if self.options.buckets:
            for job in jobs:
                self._pad(job)
        rows = sum(job.rows for job in jobs)
        missing = next((n for n in self.options.batch_sizes if n >= rows), rows) - rows
        return [*jobs, nobody(jobs[0], missing)] if missing else jobs

    def _pad(self, job: Job) -> None:
        inputs, own = job.request.inputs, dict[Axis, int]()
        for axis, bucket in self.options.buckets.items():
            tensor = inputs.get(axis.tensor)
            if tensor is None:
                continue
            size = tensor.data.shape[axis.axis + self.offset]
            if size < bucket.size_for(size):
                own[axis] = size
                data = self._longer(tensor.data, axis, bucket)
                inputs[axis.tensor] = Tensor(tensor.name, tensor.datatype, data)
        cuts: dict[str, list[tuple[int, int]]] = {}
        for output, like in self.options.trims.items():
            if like in own:
                cuts.setdefault(output.tensor, []).append((output.axis + self.offset, own[like]))
        if cuts:
            _cut_outputs(job, cuts)

    def _longer(self, data: Array, axis: Axis, bucket: Bucket) -> Array:
        place = axis.axis + self.offset
        shape = list(data.shape)
        shape[place] = bucket.size_for(shape[place])
        padded = np.full(shape, self.options.pads.get(axis.tensor, b"" if data.dtype.kind == "O" else 0), data.dtype)
        padded[_front(place, data.shape[place])] = data
        return padded


def padding_rule(config: ModelConfig) -> PaddingRule | None:
    """None if the configuration asks for none."""
    options = Options.of(config)
    if not options.buckets and not options.batch_sizes:
        return None
    return PaddingRule(options, 1 if config.max_batch_size else 0)


def _front(axis: int, size: int) -> tuple[slice, ...]:
    return (slice(None),) * axis + (slice(0, size),)


def _cut_outputs(job: Job, cuts: dict[str, list[tuple[int, int]]]) -> None:
    """Before anyone else looks at the outputs."""
    after: Callable[[list[Tensor]], list[Tensor]] | None = job.on_outputs

    def cut(outputs: list[Tensor]) -> list[Tensor]:
        shorter = []
        for tensor in outputs:
            data = tensor.data
            for axis, own in cuts.get(tensor.name, ()):
                if axis < data.ndim and data.shape[axis] > own:
                    data = data[_front(axis, own)]
            shorter.append(tensor if data is tensor.data else Tensor(tensor.name, tensor.datatype, data))
        return after(shorter) if after is not None else shorter

    job.on_outputs = cut
