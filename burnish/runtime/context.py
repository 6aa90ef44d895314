"""A context: one caller's buffers, bound shapes and queue of work.

Memory is allocated once, for the profile's largest shapes. A call checks the inputs, passes them to the device's
session, sets the destinations of the outputs and launches. Outputs are fresh arrays or the caller's own. Only tensors
whose size is decided by data are allocated during a run (steps.py).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from burnish.arguments import flag, whole_number
from burnish.devices import Session
from burnish.errors import EnvironmentProblem, UserError
from burnish.index_check import out_of_range
from burnish.runtime.arrays import accept_input, accept_output, inputs_by_name, outputs_by_name, refuse_names
from burnish.runtime.layout import Layout
from burnish.runtime.pending import Pending
from burnish.runtime.present import present
from burnish.runtime.profile import LayerTime, Recorder, measure_layers
from burnish.runtime.shape_binder import ShapeBinder
from burnish.runtime.shapes import Bound, Shape
from burnish.runtime.steps import Run

Array = np.ndarray[Any, Any]


_I64 = np.dtype(np.int64)


class Context:
    """Made by `engine.create_context()`. One call at a time (E510): make one context for each concurrent caller."""

    def __init__(self, layout: Layout, session: Session, binder: ShapeBinder) -> None:
        self._layout, self._session, self._binder = layout, session, binder
        self._needed = [t for t in binder.inputs if t.name not in layout.defaults] or binder.inputs
        self._shapes: tuple[Shape, ...] = ()
        self._bound: Bound | None = None
        self._recorder: Recorder | None = None
        self._pending: Pending | None = None
        self._traces: Array | None = None  # of the latest run's index checks, filled when it is over
        self._known: Mapping[str, int] = {}  # every symbol of the latest run
        self._lock = threading.Lock()
        self._is_closed = False

    def __call__(
        self,
        inputs: Any = None,
        /,
        *,
        out: Mapping[str, Any] | None = None,
        on_device: bool = False,
        **named: Any,
    ) -> dict[str, Array]:
        """Run the plan; outputs by name, complete when this returns.

        inputs:    a mapping, keywords, or the array alone if it is the only one needed. numpy arrays; tensors in device
                   memory (DLPack, __cuda_array_interface__) are used without a copy, after the pending work of their
                   producer's stream
        out:       the caller's buffers for some outputs, in host or device memory; the rest are fresh arrays
        on_device: fresh arrays are left in the device's memory (a DeviceArray on a GPU)
        Inputs that have a default may be left out. An output with a special form (a list of dicts for a ZipMap, names
        for labels) is given as its tensor if `out` or `on_device` asks for one.
        raises:    E502 .. E508 for arguments that the plan cannot take; E510, E511; E512 from a reference step;
                   E525 for an index in the data that is out of range
        """
        if not self._lock.acquire(False):
            raise _busy()
        try:
            results = self._start(inputs_by_name(inputs, named, self._needed), out, on_device)
            self._session.finish()
            if error := self._index_error():
                raise error
            if self._layout.shown and not on_device:
                present(results, self._layout.shown, out or ())
            return results
        finally:
            self._lock.release()

    def enqueue(
        self,
        inputs: Any = None,
        /,
        *,
        out: Mapping[str, Any] | None = None,
        on_device: bool = False,
        **named: Any,
    ) -> Pending:
        """Like a call, but without waiting for the device: `pending.wait()` gives the outputs.

        Host inputs may be changed at once; device inputs must not change until the work is done. The context holds one
        caller's buffers, so its next call finishes this one first. Two contexts overlap. A cpu has no queue: the
        calling thread is one of its workers, so the work is done when this returns.
        """
        if not self._lock.acquire(False):
            raise _busy()
        try:
            given = inputs_by_name(inputs, named, self._needed)
            results = self._start(given, out, on_device)
            self._session.deliver()
            shown = () if on_device else tuple(p for p in self._layout.shown if p.output not in (out or ()))
            self._pending = Pending(self._session, self._index_error, results, given, self._lock, shown)
            return self._pending
        finally:
            self._lock.release()

    def output_shapes(self, shapes: Mapping[str, Sequence[int] | str]) -> dict[str, Shape | None]:
        """The outputs' shapes for these input shapes; None where data decides. E502, E504 .. E506, E602."""
        return self._binder.output_shapes(shapes)

    def profile(self, inputs: Any, iterations: int = 10) -> list[LayerTime]:
        """Time of every launch and reference step: medians over `iterations` runs on these inputs. E605 for none."""
        iterations = whole_number("iterations", iterations, 1)
        recorder = Recorder(len(self._layout.variant.launches), self._session.watch())

        def run() -> None:
            self._recorder = recorder
            try:
                self(inputs)
            finally:
                self._recorder = None
            recorder.end_run()

        try:
            return measure_layers(run, recorder, self._layout.variant, iterations, self._values)
        finally:
            self._session.unwatch()

    def time(self, inputs: Any, repeats: int = 100) -> list[float]:
        """Milliseconds of each of `repeats` runs of all launches, back to back, without the copies of a call.

        On a GPU, events around replays of a CUDA graph measure it. E517 for a plan with steps other than launches.

        inputs: None: use the data of the latest call, whose inputs and outputs the caller has kept
        """
        repeats = whole_number("repeats", repeats, 1)
        if self._layout.launches is None:
            raise _not_timed("it has reference steps, branches, or sizes that data decides: the host takes part")
        if inputs is None and self._bound is None:
            raise _not_timed("nothing has run yet on this context, and no inputs are given")
        kept = None if inputs is None else self(inputs)  # the runs write where the call wrote
        with self._lock:
            found = self._session.time(self._layout.launches, repeats)
        del kept
        return found

    def close(self) -> None:
        """Release memory and threads after pending work. Closing twice is harmless; calling afterwards is E511."""
        with self._lock:
            self._is_closed = True
            pending, self._pending = self._pending, None
            if pending is not None:
                with contextlib.suppress(EnvironmentProblem):  # a lost device: `wait` reports it
                    pending.finish()
            self._session.close()

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _values(self) -> Mapping[str, int]:
        return {} if self._bound is None else self._bound.values

    def _start(self, given: Mapping[str, Any], out: Mapping[str, Any] | None, on_device: bool) -> dict[str, Array]:
        """Give all work of a call to the device, up to the copies of outputs into their arrays."""
        if type(on_device) is not bool:
            on_device = flag("on_device", on_device)
        if self._is_closed:
            raise closed()
        if self._pending is not None:
            self._pending.finish()
            self._pending = None
        session, launches = self._session, self._layout.launches
        arrays = self._accept(given)
        bound = self._bind(tuple([a.shape for a in arrays]))
        session.feed(arrays)
        results = self._place_outputs(bound, arrays, out, on_device)
        self._known = bound.values
        if checks := self._layout.checks:
            self._traces = session.fresh(checks[0].storage, (len(checks),), _I64, False)
        if launches is not None:
            session.launch(launches)
        else:
            results = self._run_steps(bound, results, out or {}, on_device)
        return results

    def _index_error(self) -> UserError | None:
        """E525 if the latest run, which must be complete, met an index out of range."""
        if self._traces is None or not self._traces.any():
            return None
        place = int(self._traces.argmax())
        return out_of_range(self._layout.checks[place], int(self._traces[place]), self._known)

    def _accept(self, given: Mapping[str, Any]) -> list[Array]:
        arrays, left_out = [], 0
        for spec, dtype in self._layout.inputs:
            value = given.get(spec.name)
            if value is None and spec.name in self._layout.defaults:
                value, left_out = self._layout.defaults[spec.name], left_out + (spec.name not in given)
            if type(value) is not np.ndarray or value.dtype != dtype or not value.flags.carray:
                if value is None:
                    refuse_names(given, self._binder.inputs, "input", self._layout.defaults)
                value = accept_input(value, spec, self._session.adopt)
            arrays.append(value)
        if len(given) != len(arrays) - left_out:
            refuse_names(given, self._binder.inputs, "input", self._layout.defaults)
        return arrays

    def _bind(self, shapes: tuple[Shape, ...]) -> Bound:
        if self._bound is None or shapes != self._shapes:
            bound = self._binder.bind(shapes)
            self._bound = None  # until the session has taken them
            self._session.bind(bound.values)
            self._bound, self._shapes = bound, shapes
        return self._bound

    def _place_outputs(
        self, bound: Bound, arrays: Sequence[Array], out: Mapping[str, Any] | None, on_device: bool
    ) -> dict[str, Array]:
        """Arrays for the outputs that are written in place, the caller's or fresh ones."""
        if out is not None:
            out = outputs_by_name(out, self._binder.outputs)
        results: dict[str, Array] = {}
        session = self._session
        for n, spec in self._layout.direct:
            shape = bound.outputs[n]
            assert shape is not None, spec
            if not out or spec.name not in out:
                results[spec.name] = session.fresh(spec.storage, shape, spec.dtype.numpy, on_device)
                continue
            array = accept_output(out[spec.name], spec, shape, (*arrays, *results.values()), session.adopt)
            session.place(spec.storage, array)
            results[spec.name] = array
        return results

    def _run_steps(
        self, bound: Bound, results: dict[str, Array], out: Mapping[str, Any], on_device: bool
    ) -> dict[str, Array]:
        run = Run(self._layout, self._session, bound.values, self._recorder)
        run.run()
        self._known = run.values
        for spec in self._layout.collected:
            shape = run.shape(spec)
            if (told := self._layout.output_shapes.get(spec.name)) is not None:
                shape = tuple(self._session.read(told.storage, _I64, run.shape(told)).tolist())
            into = accept_output(out[spec.name], spec, shape, (), self._session.adopt) if spec.name in out else None
            results[spec.name] = self._session.collect(spec.storage, spec.dtype.numpy, shape, into, on_device)
        return {t.name: results[t.name] for t in self._binder.outputs}


def _not_timed(why: str) -> UserError:
    return UserError(
        "E517",
        "this plan's launches cannot be timed as one",
        why=why,
        hint="time calls instead: burnish bench PLAN; or launches one by one: burnish bench PLAN --layers",
    )


def _busy() -> UserError:
    return UserError(
        "E510",
        "this context is running in another thread",
        why="a context holds one caller's buffers",
        hint="call the engine itself, which keeps a context for each caller, or create one for each thread",
    )


def closed() -> UserError:
    """The error for a closed context or engine."""
    return UserError(
        "E511",
        "this engine or context is closed",
        why="its threads and its memory are gone",
        hint="burnish.load the plan again",
    )
