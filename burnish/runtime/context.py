"""A context: one caller's buffers, bound shapes and threads.

Memory is allocated once, for the profile's largest shapes: the arena and the threads' scratch. A call checks the
inputs, puts their addresses into the buffer table and launches; outputs are fresh arrays or the caller's own. Only
tensors whose size data decides are allocated during a run (steps.py).
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.errors import UserError
from burnish.runtime.arrays import accept_input, accept_output, address_of, refuse_names
from burnish.runtime.layout import segment_numbers
from burnish.runtime.profile import LayerTime, Recorder, measure_layers
from burnish.runtime.shapes import Bound, Shape
from burnish.runtime.steps import Run

if TYPE_CHECKING:
    from burnish.runtime.engine import Engine

Array = np.ndarray[Any, Any]


class Context:
    """Made by `engine.create_context()`. One call at a time (E510): make one context for each concurrent caller."""

    def __init__(self, engine: Engine) -> None:
        variant, self._layout, device = engine.variant, engine.layout, engine.device
        self.engine = engine
        self._arena = device.allocate(max(variant.arena_bytes, 1))
        self._scratch = device.allocate(max(variant.scratch_bytes * engine.threads, 1))
        table = self._layout.addresses
        for storage in variant.storages:
            if storage.kind == "arena":
                table[storage.number] = self._arena.address + storage.offset
        self._buffers = (ctypes.c_int64 * (len(table) + 1))(*table, self._scratch.address)
        self._dims = (ctypes.c_int64 * max(len(engine.manifest.symbols), 1))()
        self._addresses = (ctypes.addressof(self._buffers), ctypes.addressof(self._dims))
        self._shapes: tuple[Shape, ...] = ()
        self._bound: Bound | None = None
        self._numbers: dict[int, int] = {}
        self._recorder: Recorder | None = None
        self._lock = threading.Lock()
        self._is_closed = False
        self._team = device.team(engine.code, engine.threads)

    def __call__(
        self, inputs: Mapping[str, Any] | None = None, /, *, out: Mapping[str, Any] | None = None, **named: Any
    ) -> dict[str, Array]:
        """Run the plan; outputs by name. `out`: the caller's buffers for some outputs; the rest are fresh arrays.

        raises: E502 .. E508 for what the plan cannot take; E510, E511; E512 from a reference step
        """
        if not self._lock.acquire(False):
            raise _busy()
        try:
            if self._is_closed:
                raise closed()
            arrays = self._accept(named if inputs is None else inputs)
            bound = self._bind(tuple([a.shape for a in arrays]))
            buffers = self._buffers
            for (spec, _), array in zip(self._layout.inputs, arrays):
                buffers[spec.storage] = address_of(array)
            results = self._place_outputs(bound, arrays, out)
            if self._layout.segments is None or self._recorder is not None:
                return self._run_steps(bound, results, out or {})
            for segment in self._layout.segments:
                self._team.launch(self._numbers[segment], *self._addresses, 0)
            return results
        finally:
            self._lock.release()

    def output_shapes(self, shapes: Mapping[str, Sequence[int]]) -> dict[str, Shape | None]:
        """The outputs' shapes for these input shapes; None where data decides. E502, E504 .. E506."""
        return self.engine.output_shapes(shapes)

    def profile(self, inputs: Mapping[str, Any], iterations: int = 10) -> list[LayerTime]:
        """Time of every launch and reference step: medians over `iterations` runs on these inputs."""
        recorder = Recorder(len(self.engine.variant.launches))

        def run() -> None:
            self._recorder = recorder
            try:
                self(inputs)
            finally:
                self._recorder = None
            recorder.end_run()

        return measure_layers(run, recorder, self.engine.variant, iterations, self._values)

    def close(self) -> None:
        """Stop the threads. Closing twice is harmless; calling afterwards is E511."""
        with self._lock:
            self._is_closed = True
            self._team.close()

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _values(self) -> Mapping[str, int]:
        return {} if self._bound is None else self._bound.values

    def _accept(self, given: Mapping[str, Any]) -> list[Array]:
        arrays = []
        for spec, dtype in self._layout.inputs:
            value = given.get(spec.name)
            if type(value) is not np.ndarray or value.dtype != dtype or not value.flags.carray:
                if value is None:
                    refuse_names(given, self.engine.manifest.inputs, "input")
                value = accept_input(value, spec)
            arrays.append(value)
        if len(given) != len(arrays):
            refuse_names(given, self.engine.manifest.inputs, "input")
        return arrays

    def _bind(self, shapes: tuple[Shape, ...]) -> Bound:
        if self._bound is None or shapes != self._shapes:
            self._bound = self.engine.bind(shapes)
            self._numbers = segment_numbers(self.engine.variant.steps, self._bound.values)
            self._shapes = shapes
            for n, symbol in enumerate(self.engine.manifest.symbols):
                self._dims[n] = self._bound.values.get(symbol.name, 0)
            self._arena.zero(self.engine.variant.zero_bytes)
        return self._bound

    def _place_outputs(self, bound: Bound, arrays: Sequence[Array], out: Mapping[str, Any] | None) -> dict[str, Array]:
        """Arrays for the outputs that are written in place, the caller's or fresh ones."""
        if out:
            refuse_names(out, self.engine.manifest.outputs, "output")
        results: dict[str, Array] = {}
        for n, spec in self._layout.direct:
            shape = bound.outputs[n]
            assert shape is not None, spec
            if out and spec.name in out:
                array = accept_output(out[spec.name], spec, shape, (*arrays, *results.values()))
            else:
                array = np.empty(shape, spec.dtype.numpy)
            self._buffers[spec.storage] = address_of(array)
            results[spec.name] = array
        return results

    def _run_steps(self, bound: Bound, results: dict[str, Array], out: Mapping[str, Any]) -> dict[str, Array]:
        engine = self.engine
        run = Run(
            self._layout,
            engine.device,
            self._team,
            (self._buffers, self._dims),
            bound.values,
            engine.symbol_index,
            self._numbers,
            self._recorder,
        )
        run.run(engine.variant.steps)
        kept: set[int] = set()
        for spec in self._layout.collected:
            content = run.view(spec)
            if spec.name in out:
                results[spec.name] = accept_output(out[spec.name], spec, content.shape)
                np.copyto(results[spec.name], content)
            elif run.owns(spec) and spec.storage not in kept:
                kept.add(spec.storage)
                results[spec.name] = content
            else:
                results[spec.name] = content.copy()
        return {t.name: results[t.name] for t in engine.manifest.outputs}


def _busy() -> UserError:
    return UserError(
        "E510",
        "this context is running in another thread",
        why="a context holds one caller's buffers",
        hint="call the engine itself, which keeps a context for each caller, or create one for each thread",
    )


def closed() -> UserError:
    """For engines too."""
    return UserError(
        "E511",
        "this engine or context is closed",
        why="its threads and its memory are gone",
        hint="burnish.load the plan again",
    )
