"""Runs that stop after each step: what lies in memory there can be read, and replaced before the next step reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from burnish.devices import Session
from burnish.dims import evaluate
from burnish.plan.manifest import NativeStep, ReferenceStepSpec
from burnish.runtime.arrays import accept_input, refuse_names
from burnish.runtime.layout import Item, Layout, Sides
from burnish.runtime.shape_binder import ShapeBinder
from burnish.runtime.steps import Run

Array = np.ndarray[Any, Any]
_BYTE = np.dtype(np.uint8)


class Stepwise:
    """Made by `engine.stepwise()`. The order: `begin`, then each step of `range(len(steps))`, once and in order.

    steps: the launches that each step does, as their places in the variant's list
    """

    def __init__(self, layout: Layout, session: Session, binder: ShapeBinder) -> None:
        self._layout, self._session, self._binder = layout, session, binder
        self._items = tuple(_one_by_one(layout.items))
        self._run: Run | None = None
        self.steps = tuple(frozenset(_launches(item)) for item in self._items)

    @property
    def values(self) -> Mapping[str, int]:
        """Every symbol that the run knows by now."""
        return {} if self._run is None else self._run.values

    def begin(self, inputs: Mapping[str, Array]) -> None:
        """Bind and feed the inputs. E502 .. E509 for what the plan cannot take."""
        layout, session = self._layout, self._session
        refuse_names(inputs, self._binder.inputs, "input", layout.defaults)
        given = {**layout.defaults, **inputs}
        self._fed = [accept_input(given[spec.name], spec) for spec, _ in layout.inputs]
        bound = self._binder.bind(tuple(a.shape for a in self._fed))
        session.bind(bound.values)
        session.feed(self._fed)
        self._made: list[Array] = []
        for n, spec in layout.direct:
            shape = bound.outputs[n]
            assert shape is not None, spec
            self._made.append(session.fresh(spec.storage, shape, spec.dtype.numpy, False))
        if checks := layout.checks:
            self._made.append(session.fresh(checks[0].storage, (len(checks),), np.dtype(np.int64), False))
        self._run = Run(layout, session, bound.values, None)
        self._run.begin()

    def step(self, number: int) -> None:
        """Do one step."""
        assert self._run is not None, "begin comes first"
        self._run.do(self._items[number : number + 1])

    def read(self, storage: int) -> Array:
        """A copy of a storage's bytes."""
        return np.array(self._session.read(storage, _BYTE, (self._size(storage),)))

    def write(self, storage: int, content: Array) -> None:
        """Replace a storage's bytes."""
        self._session.write(storage, content)

    def close(self) -> None:
        """Finish what is under way, and release memory and threads."""
        if self._run is not None:
            self._session.finish()
        self._session.close()

    def __enter__(self) -> Stepwise:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _size(self, storage: int) -> int:
        return evaluate(self._layout.variant.storages[storage].size, self.values)


def _one_by_one(items: Sequence[Item]) -> Iterator[Item]:
    """Each launch is an item of its own; a branch stays one."""
    for item in items:
        if isinstance(item, tuple):
            yield from ((step,) for step in item)
        else:
            yield item


def _launches(item: Item) -> Iterator[int]:
    if isinstance(item, tuple):
        for step in item:
            yield from range(step.first, step.first + step.count) if isinstance(step, NativeStep) else (step.launch,)
    elif isinstance(item, Sides):
        for side in (item.then, item.otherwise):
            for inner in side:
                yield from _launches(inner)
    elif isinstance(item, ReferenceStepSpec):
        yield item.launch
