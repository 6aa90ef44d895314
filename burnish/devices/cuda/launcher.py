"""Launches of one session: parameters worked out once, a CUDA graph from the second time on.

What a run of launches needs (grids, addresses, tensor maps) depends on the bound shapes and on where inputs and
outputs lie. For each such key it is prepared at first use and kept, the least recently used forgotten. The first time
the kernels are launched one by one: a shape seen once never pays for a graph, and the driver loads code lazily, which a
capture must not do. The second time they are captured, and from then on one call of the driver does them all. Few
graphs are kept; one that had to make room is captured again only after twice as many uses, so that many shapes in turn
cost launches one by one, not a capture each.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from burnish.devices import Launches
from burnish.devices.cuda.driver import Address, Driver, Integer, Parameter, TensorMap
from burnish.dims import evaluate
from burnish.plan.manifest import Argument, KernelStep, PointerArgument, ScalarArgument

MOST_PREPARED = 256
MAP_STRIDE_BYTES = 16  # a tensor map's strides are multiples of it
Functions = Mapping[tuple[str, str], Any]


@dataclass(slots=True)
class Prepared:
    """launches: None for a kernel whose grid is empty. uses: since it last had a graph; patience: before it has one."""

    steps: Launches
    launches: tuple[Any | None, ...]
    graph: Any = None
    uses: int = 0
    patience: int = 1


class Launcher:
    """graphs: how many are kept; 0: kernels are always launched one by one."""

    def __init__(self, driver: Driver, stream: int, functions: Functions, graphs: int) -> None:
        self._driver, self._stream, self._functions, self._graphs = driver, stream, functions, graphs
        self._kept: OrderedDict[tuple[Any, ...], Prepared] = OrderedDict()

    def run(self, key: tuple[Any, ...], steps: Launches, addresses: Sequence[int], values: Mapping[str, int]) -> None:
        """Do the steps; `key`: all that `addresses` and `values` decide."""
        found = self.prepared(key, steps, addresses, values)
        if found.graph is None and self._is_worth_a_graph(found):
            self._make_room()
            found.graph = self.capture([found])
        if found.graph is None:
            found.uses += 1
            self.launch(found)
        else:
            self._driver.launch_graph(found.graph, self._stream)

    def prepared(
        self, key: tuple[Any, ...], steps: Launches, addresses: Sequence[int], values: Mapping[str, int]
    ) -> Prepared:
        """What was prepared for the key, now the latest to be used."""
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = self.prepare(steps, addresses, values)
            if len(self._kept) > MOST_PREPARED:
                self._drop_graph(self._kept.popitem(last=False)[1])
        else:
            self._kept.move_to_end(key)
        return found

    def prepare(self, steps: Launches, addresses: Sequence[int], values: Mapping[str, int]) -> Prepared:
        """Everything evaluated and packed."""
        launches = [self._prepare_one(s, addresses, values) for s in cast("tuple[KernelStep, ...]", steps)]
        return Prepared(steps, tuple(launches))

    def launch(self, prepared: Prepared) -> None:
        """One by one."""
        for launch in prepared.launches:
            if launch is not None:
                self._driver.launch(launch)

    def capture(self, runs: Sequence[Prepared]) -> Any:
        """A graph of all these, one after the other. What made them must live as long as the graph does."""
        self._driver.begin_capture(self._stream)
        try:
            for prepared in runs:
                self.launch(prepared)
        except BaseException:
            self._driver.abandon_capture(self._stream)
            raise
        return self._driver.end_capture(self._stream)

    def forget(self) -> None:
        """Let go of every graph."""
        while self._kept:
            self._drop_graph(self._kept.popitem()[1])

    def _is_worth_a_graph(self, prepared: Prepared) -> bool:
        return self._graphs > 0 and len(prepared.steps) > 1 and prepared.uses >= prepared.patience

    def _make_room(self) -> None:
        """For one graph more: the least recently used go."""
        with_graph = [p for p in self._kept.values() if p.graph is not None]
        for prepared in with_graph[: max(len(with_graph) + 1 - self._graphs, 0)]:
            self._drop_graph(prepared)
            prepared.uses, prepared.patience = 0, prepared.patience * 2

    def _drop_graph(self, prepared: Prepared) -> None:
        if prepared.graph is not None:
            graph, prepared.graph = prepared.graph, None
            self._driver.destroy_graph(graph)

    def _prepare_one(self, step: KernelStep, addresses: Sequence[int], values: Mapping[str, int]) -> Any | None:
        x, y, z = (evaluate(n, values) for n in step.grid)
        if x * y * z == 0:
            return None
        parameters = [evaluated(a, addresses, values) for a in step.arguments]
        function = self._functions[step.code, step.entry]
        return self._driver.prepare(
            function, (x, y, z), step.threads, step.shared_bytes, parameters, step.overlaps, self._stream
        )


def evaluated(argument: Argument, addresses: Sequence[int], values: Mapping[str, int]) -> Parameter:
    """An argument of the manifest with its numbers."""
    if isinstance(argument, ScalarArgument):
        return Integer(evaluate(argument.value, values), 64 if argument.dtype == "i64" else 32)
    address = addresses[argument.storage] + evaluate(argument.offset, values)
    if isinstance(argument, PointerArgument):
        return Address(address)
    shape, strides = (tuple([evaluate(n, values) for n in sizes]) for sizes in (argument.shape, argument.strides))
    if 0 in shape:  # no copy is asked for, but the driver refuses to encode an axis of 0 (a sum over nothing)
        unit = MAP_STRIDE_BYTES // argument.dtype.size_bytes
        shape, strides = tuple([max(n, 1) for n in shape]), (*[max(n, unit) for n in strides[:-1]], strides[-1])
    return TensorMap(address, argument.dtype, shape, strides, argument.box, argument.steps, argument.swizzle)
