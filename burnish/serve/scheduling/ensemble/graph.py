"""An ensemble's steps, and which of them a request needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from burnish.serve.proto.model_config_pb2 import ModelConfig
from burnish.serve.request import NEWEST


@dataclass(frozen=True, slots=True)
class Step:
    """inputs: of the model, each with the ensemble's tensor that it gets. outputs: the tensor that each becomes."""

    index: int
    model: str
    version: int
    inputs: tuple[tuple[str, str], ...]
    outputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a graph that gives the outputs that are wanted.

    readers: the steps that a tensor goes to
    uses:    how often each is read: as an input of steps, and once as an output
    """

    outputs: frozenset[str]
    readers: Mapping[str, tuple[Step, ...]]
    uses: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Graph:
    """optional: inputs of the ensemble that a request may leave out. output_dims: without the batch dimension."""

    steps: tuple[Step, ...]
    optional: tuple[str, ...]
    output_dims: Mapping[str, tuple[int, ...]]

    def part(self, wanted: Collection[str]) -> Part:
        """wanted: outputs; empty for all."""
        outputs = frozenset(wanted or self.output_dims)
        writer = {tensor: step for step in self.steps for tensor in step.outputs.values()}
        needed: set[int] = set()
        waiting = [writer[t] for t in outputs if t in writer]
        while waiting:
            step = waiting.pop()
            if step.index not in needed:
                needed.add(step.index)
                waiting += [writer[t] for _, t in step.inputs if t in writer]
        steps = [s for s in self.steps if s.index in needed]
        names = {t for s in steps for t in (*(t for _, t in s.inputs), *s.outputs.values())} | outputs
        readers = {n: tuple(s for s in steps if any(t == n for _, t in s.inputs)) for n in names}
        reads = Counter(t for s in steps for _, t in s.inputs)
        return Part(outputs, readers, {n: reads[n] + (n in outputs) for n in names})


def ensemble_graph(config: ModelConfig) -> Graph:
    steps = tuple(
        Step(
            index,
            step.model_name,
            NEWEST if step.model_version < 0 else step.model_version,
            tuple(step.input_map.items()),
            dict(step.output_map),
        )
        for index, step in enumerate(config.ensemble_scheduling.step)
    )
    optional = tuple(t.name for t in config.input if t.optional)
    return Graph(steps, optional, {t.name: tuple(t.dims) for t in config.output})
