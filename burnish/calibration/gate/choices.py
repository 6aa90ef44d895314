"""Which layers can be narrow, how a choice of them is measured, and the plan that a choice gives.

int8, fp8     both forms of every product in one plan (precision/quantise/switch.py): a choice is a run, not a build
fp16, bf16    a build for each choice, by rules as in a precision configuration
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from burnish.building import build
from burnish.building.analyze import passes_for, prepare
from burnish.errors import EnvironmentProblem, UserError
from burnish.plan import Plan
from burnish.precision.precision import Decision, parse_precision
from burnish.precision.precision_config import PrecisionConfig, read_precision_config
from burnish.precision.quantise.switch import SWITCHES, add_switches
from burnish.precision.ranges import Ranges
from burnish.precision.words import kind_of
from burnish.runtime import Engine, load

Array = np.ndarray[Any, Any]
Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]
Make = Callable[..., Plan]  # `build` with all options but precision, ranges and precision_config
BOUNDS = ("shapes", "profile", "batch")


class Choices(Protocol):
    """layers: the names of those that can be narrow, in order, inside of `open`.

    form: their narrow form; has_step: raised layers can have a form between that and f32
    """

    layers: Sequence[str]
    form: str
    has_step: bool

    def open(self) -> Any:
        """A context in which `run` works."""

    def run(self, chosen: frozenset[str]) -> Run:
        """How to run the model with these layers narrow, and the others in f32."""

    def plan(self, raised: Sequence[str], *, is_last: bool = True) -> Plan:
        """The plan in which these layers are raised. is_last: to f32, not to the step before it."""


class Codes:
    """Products of codes."""

    def __init__(
        self,
        source: Any,
        make: Make,
        precision: str,
        ranges: Ranges,
        config: PrecisionConfig,
        bounds: Mapping[str, Any],
        threads: int | None,
    ) -> None:
        self._source, self._make, self._precision, self._ranges = source, make, precision, ranges
        self._config, self._bounds, self._threads = config, bounds, threads
        self.layers: Sequence[str] = ()
        self.form, self.has_step = kind_of(precision), "+" in precision
        self._engine: Engine | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        wanted = parse_precision(self._precision, None, self._ranges, read_precision_config(self._config))
        prepared = prepare(self._source, **self._bounds, passes=passes_for(wanted))
        graph = prepared.imported.model.graph
        kept = (str(node.name) for node in wanted.kept_from_codes(graph))  # as a configuration says
        self.layers = add_switches(graph, self._ranges.keep(*kept), wanted)
        limits = {**prepared.profile.ranges, SWITCHES: ((len(self.layers),),) * 3}
        with load(build(prepared.imported.model, profile=limits), threads=self._threads) as engine:
            self._engine = engine
            yield

    def run(self, chosen: frozenset[str]) -> Run:
        assert self._engine is not None, "outside of open"
        engine, switches = self._engine, np.array([name in chosen for name in self.layers], bool)
        return lambda sample: engine({**sample, SWITCHES: switches})

    def plan(self, raised: Sequence[str], *, is_last: bool = True) -> Plan:
        config = with_rule(self._config, raised) if self.has_step and is_last else self._config
        return self._make(precision=self._precision, ranges=self._ranges.keep(*raised), precision_config=config)


class Floats:
    """Nodes in fp16 or bf16."""

    def __init__(self, make: Make, precision: str, config: PrecisionConfig, threads: int | None) -> None:
        self._make, self._precision, self._config, self._threads = make, precision, config, threads
        self.layers: Sequence[str] = ()
        self.form, self.has_step = precision, False
        self._last: Engine | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        rows = list[Decision]()
        self._make(precision=self._precision, precision_config=self._config, explain_precision=rows.append)
        self.layers = tuple(dict.fromkeys(row.node for row in rows if row.now != row.was and row.node))
        try:
            yield
        finally:
            self._close()

    def run(self, chosen: frozenset[str]) -> Run:
        self._close()
        self._last = load(self.plan([name for name in self.layers if name not in chosen]), threads=self._threads)
        return self._last

    def plan(self, raised: Sequence[str], *, is_last: bool = True) -> Plan:
        return self._make(precision=self._precision, precision_config=with_rule(self._config, raised))

    def _close(self) -> None:
        if self._last is not None:
            self._last.close()
            self._last = None


def with_rule(config: PrecisionConfig, raised: Sequence[str]) -> PrecisionConfig:
    """The configuration, and a rule that these nodes are f32."""
    if not raised:
        return config
    own = [rule.words for rule in read_precision_config(config)]
    return {"layers": [*own, {"nodes": list(raised), "precision": "fp32"}]}


@contextmanager
def running(plan: Plan, threads: int | None) -> Iterator[Engine]:
    """The plan, loaded. E766 if this machine has nothing that runs it."""
    try:
        engine = load(plan, threads=threads)
    except (UserError, EnvironmentProblem) as error:
        targets = ", ".join(v.target for v in plan.manifest.variants)
        what = f"accuracy cannot be measured here: this machine does not run plans for {targets}"
        hint = "build where it runs; or burnish accuracy measures on this processor and writes ranges to build from"
        raise EnvironmentProblem("E766", what, why=error.what, hint=hint) from error
    with engine:
        yield engine
