"""Launches of one session. Parameters are computed once, and a CUDA graph is used from the second time on.

A run of launches needs grids, addresses and tensor maps. They depend on the bound shapes and on the addresses of inputs
and outputs. They are prepared at the first use of each such key and kept; the least recently used are dropped.

The first time, kernels are launched one by one: a shape seen once should not pay for a graph, and the driver loads code
lazily, which must not happen during a capture. The second time the launches are captured, and from then on one driver
call runs them all. Only a few graphs are kept. A graph that was dropped is captured again only after twice as many
uses, so a caller that alternates between many shapes pays for single launches, not for a capture each time.
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
    """launches: None for an empty grid. uses: since the last graph; patience: uses needed before a graph."""

    steps: Launches
    launches: tuple[Any | None, ...]
    graph: Any = None
    uses: int = 0
    patience: int = 1


class Launcher:
    """graphs: the number of graphs to keep; 0: kernels are always launched one by one."""

    def __init__(self, driver: Driver, stream: int, functions: Functions, graphs: int) -> None:
        self._driver, self._stream, self._functions, self._graphs = driver, stream, functions, graphs
        self._kept: OrderedDict[tuple[Any, ...], Prepared] = OrderedDict()

    def run(self, key: tuple[Any, ...], steps: Launches, addresses: Sequence[int], values: Mapping[str, int]) -> None:
        """Run the steps. `key`: everything that depends on `addresses` and `values`."""
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
        """The launches prepared for the key, now marked as the latest used."""
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = self.prepare(steps, addresses, values)
            if len(self._kept) > MOST_PREPARED:
                self._drop_graph(self._kept.popitem(last=False)[1])
        else:
            self._kept.move_to_end(key)
        return found

    def prepare(self, steps: Launches, addresses: Sequence[int], values: Mapping[str, int]) -> Prepared:
        """Evaluate and pack all launches."""
        launches = [self._prepare_one(s, addresses, values) for s in cast("tuple[KernelStep, ...]", steps)]
        return Prepared(steps, tuple(launches))

    def launch(self, prepared: Prepared) -> None:
        """Launch the kernels one by one."""
        for launch in prepared.launches:
            if launch is not None:
                self._driver.launch(launch)

    def capture(self, runs: Sequence[Prepared]) -> Any:
        """A graph of all these launches in sequence. The objects they came from must live as long as the graph."""
        self._driver.begin_capture(self._stream)
        try:
            for prepared in runs:
                self.launch(prepared)
        except BaseException:
            self._driver.abandon_capture(self._stream)
            raise
        return self._driver.end_capture(self._stream)

    def forget(self) -> None:
        """Release every graph."""
        while self._kept:
            self._drop_graph(self._kept.popitem()[1])

    def _is_worth_a_graph(self, prepared: Prepared) -> bool:
        return self._graphs > 0 and len(prepared.steps) > 1 and prepared.uses >= prepared.patience

    def _make_room(self) -> None:
        """Make room for one more graph by dropping the least recently used."""
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
