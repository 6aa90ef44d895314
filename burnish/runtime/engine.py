"""An engine: a plan loaded on a device. It is immutable and shared; any number of threads may call it."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from burnish import plan as plans
from burnish.arguments import number, whole_number, wrong_kind
from burnish.devices import Device
from burnish.devices.cpu.processor import core_count
from burnish.devices.cpu.threads import MAX_THREADS
from burnish.devices.this_machine import devices_by_name
from burnish.errors import EnvironmentProblem
from burnish.plan.manifest import Manifest, Variant
from burnish.plan.plan import Plan, surface
from burnish.runtime.context import Context, closed
from burnish.runtime.input_info import InputInfo, describe_inputs, describe_outputs
from burnish.runtime.layout import make_layout
from burnish.runtime.shape_binder import ShapeBinder
from burnish.runtime.shapes import Shape, profile_shapes
from burnish.runtime.stepwise import Stepwise
from burnish.runtime.variants import choose_variant
from burnish.settings import settings

Array = np.ndarray[Any, Any]


def load(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview | Plan,
    threads: int | None = None,
    *,
    device: Device | str | None = None,
    contexts: int | None = None,
) -> Engine:
    """Load a plan. Nothing is compiled; on a cpu, constants are used in place in the mapped file.

    threads:  of each context on a cpu; None and 0 mean BURNISH_THREADS, and all cores (64 at most) if that is unset
              or 0 too
    device:   "cpu", "cuda", "cuda:1"; the default is the best one that the plan has code for: a GPU if one fits
    contexts: the number of calls that run at once; more callers wait. None and 0: 2, or on a cpu cores / threads if
              that is more
    raises:   E605 for a value of a wrong kind; E401 .. for a damaged plan; E501 if this machine lacks what the plan's
              code uses; E833 .. without a GPU
    """
    plan = source if isinstance(source, Plan) else plans.read(source)
    if threads is not None:
        threads = whole_number("threads", threads)
    if contexts is not None:
        contexts = whole_number("contexts", contexts)
    if not (device is None or isinstance(device, str) or hasattr(device, "install")):
        raise wrong_kind("device", device, 'None, "cpu", "cuda", "cuda:1" or a device')
    threads = threads or settings().threads or min(core_count(), MAX_THREADS)
    kinds = {v.target.partition(":")[0] for v in plan.manifest.variants}
    devices, absent = devices_by_name(device, kinds) if device is None or isinstance(device, str) else ([device], {})
    variant, chosen = choose_variant(plan.manifest, devices, absent)
    return Engine(plan, variant, chosen, threads, contexts or chosen.callers(threads))


class Engine:
    """`engine(x=array)` or `engine({"any name": array})` gives a dict by output name; with one input `engine(array)`.

    inputs, outputs: a call's inputs and outputs, as InputInfo
    """

    def __init__(self, plan: Plan, variant: Variant, device: Device, threads: int, contexts: int) -> None:
        self.plan, self.variant, self.device, self.threads = plan, variant, device, threads
        self.layout = make_layout(plan.manifest, variant, plan.blobs)
        self.installed = device.install(plan, variant)
        self._binder = ShapeBinder(plan.manifest, variant.steps)
        self._idle: list[Context] = []
        self._made, self._most, self._waiting = 0, contexts, 0
        self._changed = threading.Condition()
        self._is_closed = False

    @property
    def manifest(self) -> Manifest:
        return self.plan.manifest

    @functools.cached_property
    def inputs(self) -> tuple[InputInfo, ...]:
        return describe_inputs(self.manifest)

    @functools.cached_property
    def outputs(self) -> tuple[InputInfo, ...]:
        return describe_outputs(self.manifest)

    def __call__(
        self,
        inputs: Any = None,
        /,
        *,
        out: Mapping[str, Any] | None = None,
        on_device: bool = False,
        timeout_s: float | None = None,
        **named: Any,
    ) -> dict[str, Array]:
        """Run on one of the engine's own contexts; see Context.__call__. Callers beyond `contexts` wait for a context.

        timeout_s: the longest wait for a context; after it, E518, and nothing has run
        """
        try:
            context = self._idle.pop()
        except IndexError:
            context = self._wait_for_context(timeout_s)
        try:
            return context(inputs, out=out, on_device=on_device, **named)
        finally:
            self._put_back(context)

    def create_context(self) -> Context:
        """A context of the caller's own: its buffers, its threads. E511 if the engine is closed."""
        if self._is_closed:
            raise closed()
        return self._new_context()

    def stepwise(self) -> Stepwise:
        """A session whose runs stop after each step, to look at what lies in memory. E511 if the engine is closed."""
        if self._is_closed:
            raise closed()
        return Stepwise(self.layout, self.installed.session(self.threads), self._binder)

    def output_shapes(self, shapes: Mapping[str, Sequence[int] | str]) -> dict[str, Shape | None]:
        """The outputs' shapes for these input shapes; None where data decides. E502, E504 .. E506, E509, E602."""
        return self._binder.output_shapes(shapes)

    def profile_shapes(self, which: str = "opt") -> dict[str, Shape]:
        """The inputs' shapes at the profile's min, opt or max."""
        return profile_shapes(self.manifest, which)

    def close(self) -> None:
        """Release code, constants and the engine's contexts. Running calls end first.

        Contexts that callers made belong to them: the memory they use stays until the last of them is closed.
        """
        with self._changed:
            self._is_closed = True
            idle = self._idle
            self._idle = []
            self._changed.notify_all()
        for context in idle:
            context.close()
        self.installed.close()

    def __repr__(self) -> str:
        return f"<burnish.Engine {surface(self.manifest)}; {self.variant.target} on {self.device.name}>"

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _new_context(self) -> Context:
        return Context(self.layout, self.installed.session(self.threads), self._binder)

    def _wait_for_context(self, timeout_s: float | None) -> Context:
        """An idle context, a new one if fewer than `contexts` exist, or the next one that is put back in time."""
        end = None if timeout_s is None else time.monotonic() + number("timeout_s", timeout_s)
        with self._changed:
            self._waiting += 1
            try:
                while not self._is_closed:
                    if self._idle:
                        return self._idle.pop()
                    if self._made < self._most:
                        self._made += 1
                        break
                    left = None if end is None else end - time.monotonic()
                    if left is not None and left <= 0:
                        raise _all_busy(self._most, timeout_s)
                    self._changed.wait(left)
            finally:
                self._waiting -= 1
        if self._is_closed:
            raise closed()
        try:
            return self._new_context()
        except BaseException:
            with self._changed:
                self._made -= 1
                self._changed.notify()
            raise

    def _put_back(self, context: Context) -> None:
        """Put back a context, then check if the engine is closed: `close` may have emptied the list just before."""
        self._idle.append(context)
        if self._is_closed:
            context.close()
        elif self._waiting:
            with self._changed:
                self._changed.notify()


def _all_busy(contexts: int, timeout_s: float | None) -> EnvironmentProblem:
    return EnvironmentProblem(
        "E518",
        f"no context was free within {timeout_s:g} s",
        why=f"the engine serves {contexts} calls at once, and all of them are still running",
        hint="call again later, or load the plan with more contexts: burnish.load(plan, contexts=8)",
    )
