"""Launches of one session: parameters worked out once, a CUDA graph from the second time on.

What a run of launches needs (grids, addresses, tensor maps) depends on the bound shapes and on where inputs and
outputs lie. For each such key it is prepared at first use and kept, the least recently used forgotten. The first time
the kernels are launched one by one: a shape seen once never pays for a graph, and the driver loads code lazily, which a
capture must not do. The second time they are captured, and from then on one call of the driver does them all.
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

LEAST_KEPT = 4  # prepared launches, where graphs are off
Functions = Mapping[tuple[str, str], Any]


@dataclass(slots=True)
class Prepared:
    """launches: None for a kernel whose grid is empty."""

    steps: Launches
    launches: tuple[Any | None, ...]
    graph: Any = None


class Launcher:
    """graphs: how many are kept; 0: kernels are always launched one by one."""

    def __init__(self, driver: Driver, stream: int, functions: Functions, graphs: int) -> None:
        self._driver, self._stream, self._functions, self._graphs = driver, stream, functions, graphs
        self._kept: OrderedDict[tuple[Any, ...], Prepared] = OrderedDict()

    def run(self, key: tuple[Any, ...], steps: Launches, addresses: Sequence[int], values: Mapping[str, int]) -> None:
        """Do the steps; `key`: all that `addresses` and `values` decide."""
        found = self._kept.get(key)
        if found is None:
            found = self.prepare(steps, addresses, values)
            self._keep(key, found)
            self.launch(found)
            return
        self._kept.move_to_end(key)
        if not self._graphs or len(steps) == 1:
            self.launch(found)
            return
        if found.graph is None:
            found.graph = self.capture([found])
        self._driver.launch_graph(found.graph, self._stream)

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
            self._drop(self._kept.popitem()[1])

    def _keep(self, key: tuple[Any, ...], prepared: Prepared) -> None:
        self._kept[key] = prepared
        while len(self._kept) > (self._graphs or LEAST_KEPT):
            self._drop(self._kept.popitem(last=False)[1])

    def _drop(self, prepared: Prepared) -> None:
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
    shape, strides = ([evaluate(n, values) for n in sizes] for sizes in (argument.shape, argument.strides))
    return TensorMap(
        address, argument.dtype, tuple(shape), tuple(strides), argument.box, argument.steps, argument.swizzle
    )
