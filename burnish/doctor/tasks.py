"""A plan that stops after each launch: what a launch wrote can be read, and what the next one reads replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.dims import evaluate, product
from burnish.doctor.meaning import Meaning
from burnish.doctor.rebuilt import Rebuilt
from burnish.kernels.slot import Slot
from burnish.kernels.task import Binding, Launch, Program, ReferenceStep, each_step
from burnish.runtime import Engine

Array = np.ndarray[Any, Any]
Made = tuple[int, dict[str, None], dict[str, None]]  # the last step that writes a tensor, its nodes, what was read


@dataclass(frozen=True, eq=False)
class Boundary:
    """A tensor that launches leave in memory.

    step: the last one that writes it; nodes: those whose work that was; reads: the tensors that were read for it
    """

    name: str
    step: int
    at: Binding
    slot: Slot
    meaning: Meaning
    nodes: tuple[str, ...]
    reads: tuple[str, ...]


class Tasks:
    """One plan, opened for taking apart. `boundaries`: in the order in which they are there."""

    def __init__(self, rebuilt: Rebuilt, engine: Engine, meanings: Mapping[str, Meaning]) -> None:
        self.rebuilt, self.engine = rebuilt, engine
        self.program: Program = rebuilt.analysis.program
        self._run = engine.stepwise()
        self._known = {name: place for name, place in self.program.tensors.items() if name in meanings}
        self._meanings = meanings
        self._reads = self._read_by_step()
        self.boundaries = tuple(sorted(self._find(), key=lambda b: b.step))

    def close(self) -> None:
        self._run.close()

    def __enter__(self) -> Tasks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, sample: Mapping[str, Array], seen: Callable[[Boundary, Array], None]) -> None:
        """Run a sample. `seen` gets each boundary and the numbers that its elements stand for."""
        self._each_step(sample, seen, lambda step: None)

    def run_apart(
        self, sample: Mapping[str, Array], exact: Mapping[str, Array], seen: Callable[[Boundary, Array], None]
    ) -> None:
        """The same, but each launch gets the f32 model's numbers for what it reads, as the plan would store them."""

        def replace(step: int) -> None:
            for storage in self._reads[step]:
                self._write(storage, exact)

        self._each_step(sample, seen, replace)

    def stored(self, boundary: Boundary, numbers: Array) -> Array:
        """What is left of numbers once they are stored in a boundary."""
        return boundary.meaning.decode(boundary.meaning.encode(numbers, boundary.slot.dtype.numpy))

    def _each_step(
        self, sample: Mapping[str, Array], seen: Callable[[Boundary, Array], None], before: Callable[[int], None]
    ) -> None:
        self._run.begin(sample)
        waiting = list(self.boundaries)
        for step in range(len(self._run.steps)):
            before(step)
            self._run.step(step)
            while waiting and waiting[0].step == step:
                found = waiting.pop(0)
                if (stored := self._tensor(found.at, found.slot, self._run.read(found.at.storage))) is not None:
                    seen(found, found.meaning.decode(stored))

    def _write(self, storage: int, exact: Mapping[str, Array]) -> None:
        """Every known tensor in a storage becomes the f32 model's."""
        raw: Array | None = None
        for name, (at, slot) in self._known.items():
            numbers = exact.get(self._meanings[name].tensor)
            if at.storage != storage or numbers is None:
                continue
            raw = self._run.read(storage) if raw is None else raw
            into = self._tensor(at, slot, raw)
            if into is not None and into.shape == numbers.shape:
                into[...] = self._meanings[name].encode(numbers, slot.dtype.numpy)
        if raw is not None:
            self._run.write(storage, raw)

    def _tensor(self, at: Binding, slot: Slot, raw: Array) -> Array | None:
        """A view of a storage's bytes. None while a size is unknown, or if it has no element."""
        values, dtype = self._run.values, slot.dtype.numpy
        try:
            shape = tuple(evaluate(n, values) for n in slot.shape)
            strides = tuple(evaluate(n, values) * dtype.itemsize for n in slot.strides)
            offset = evaluate(at.offset, values)
        except KeyError:  # only data would have told, and the run did not come there
            return None
        if 0 in shape:
            return None
        elements = raw[: raw.size // dtype.itemsize * dtype.itemsize].view(dtype)[offset:]
        return np.lib.stride_tricks.as_strided(elements, shape, strides)

    # -- what the program says ------------------------------------------------------------------------------------

    def _launches(self) -> Iterator[tuple[int, Launch | ReferenceStep]]:
        """Each launch and reference step with the step of the run that does it."""
        step_of = {launch: step for step, launches in enumerate(self._run.steps) for launch in launches}
        works = [s for s in each_step(self.program.steps) if isinstance(s, Launch | ReferenceStep)]
        for number, work in enumerate(works):
            yield step_of[number], work

    def _read_by_step(self) -> list[tuple[int, ...]]:
        """The storages of temporaries that each step reads and does not write."""
        kinds = {s.number: s.kind for s in self.program.storages}
        found: list[dict[int, None]] = [{} for _ in self._run.steps]
        written: list[set[int]] = [set() for _ in self._run.steps]
        for step, work in self._launches():
            read, made = storages_of(work)
            found[step] |= dict.fromkeys(n for n in read if kinds.get(n) in ("arena", "dynamic", "output"))
            written[step] |= set(made)
        return [tuple(n for n in own if n not in made) for own, made in zip(found, written)]

    def _find(self) -> Iterator[Boundary]:
        made: dict[str, Made] = {}
        in_storage: dict[int, list[str]] = {}
        for name, (at, _) in self.program.tensors.items():
            in_storage.setdefault(at.storage, []).append(name)
        for step, work in self._launches():
            names = [t.name for t in work.outputs] if isinstance(work, ReferenceStep) else [work.result]
            own = (work.name,) if isinstance(work, ReferenceStep) else work.nodes
            read, written = storages_of(work)
            sources = dict.fromkeys(n for s in read if s not in written for n in in_storage.get(s, ()))
            for name in names:
                name = self._view_of(name, in_storage)
                _, known_nodes, known_reads = made.get(name, (0, {}, {}))
                made[name] = (step, known_nodes | dict.fromkeys(own), known_reads | sources)
        for name, (step, nodes, _) in made.items():
            if name in self._known:
                at, slot = self._known[name]
                before, reads = self._known_before(name, made)
                yield Boundary(name, step, at, slot, self._meanings[name], (*before, *nodes), reads)

    def _view_of(self, name: str, in_storage: Mapping[int, list[str]]) -> str:
        """A tensor of known meaning that views all of it, if its own is not known."""
        if name in self._known or name not in self.program.tensors:
            return name
        at, slot = self.program.tensors[name]
        size = product(slot.shape)
        views = (n for n in in_storage[at.storage] if n in self._known)
        whole = (n for n in views if product(self._known[n][1].shape) == size and self._known[n][0] == at)
        return next(whole, name)

    def _known_before(self, name: str, made: Mapping[str, Made]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What was read for a tensor, up to tensors of known meaning; and the nodes of those on the way."""
        nodes, reads, waiting, seen = dict[str, None](), dict[str, None](), list(made[name][2]), {name}
        while waiting:
            source = waiting.pop()
            if source in self._known or source not in made:
                reads[source] = None
            elif source not in seen:
                seen.add(source)
                nodes = dict.fromkeys(made[source][1]) | nodes
                waiting += made[source][2]
        return tuple(nodes), tuple(reads)


def storages_of(work: Launch | ReferenceStep) -> tuple[list[int], list[int]]:
    """What a launch reads, and what it writes."""
    if isinstance(work, ReferenceStep):
        return [t.storage for t in work.inputs], [t.storage for t in work.outputs]
    written = {work.bindings[n].storage for n in work.writes}
    return [b.storage for n, b in enumerate(work.bindings) if n not in work.writes], sorted(written)
