"""Network + configuration -> plan: translate both into arguments of burnish.build."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import burnish
from burnish.errors import UserError
from burnish.plan import Plan
from burnish.precision.precision import Decision
from burnish.precision.words import joined
from burnish.tensorrt.config import IBuilderConfig
from burnish.tensorrt.enums import MemoryPoolType
from burnish.tensorrt.interfaces import ILogger, IProgressMonitor, Severity
from burnish.tensorrt.network.network import INetworkDefinition
from burnish.tensorrt.profile import merged_ranges
from burnish.tensorrt.quantise.int8 import MISSING, ranges_of_codes
from burnish.tensorrt.quantise.layer_precision import check_layers, layer_rules

PHASE = "Building the plan"


def build_plan(network: INetworkDefinition, config: IBuilderConfig, logger: ILogger) -> Plan:
    """Build the network.

    Several optimization profiles become one plan for the range that holds them all; a context of profile i is held to
    profile i's shapes.
    raises: E652, E653 and whatever the build raises
    """
    for flag in config.flags_not_there_yet():  # never ignored silently
        logger.log(Severity.WARNING, f"{flag} is not there yet: the plan computes in the network's own types")
    profile, translated = merged_ranges(network, config._profiles), network.translated()
    limit, decisions = config.get_memory_pool_limit(MemoryPoolType.WORKSPACE), list[Decision]()
    ranges = ranges_of_codes(network, config, logger, translated)
    with _progress(config.progress_monitor) as progress:
        plan: Plan = burnish.build(
            translated.model,
            profile=profile,
            workspace=limit or None,
            precision=joined(config.codes if ranges is not None else "", config.precision),
            ranges=ranges,
            precision_config=layer_rules(translated, config, logger, ranges is not None),
            explain_precision=decisions.append,
            progress=progress,
            **config.tuning(lambda line: logger.log(Severity.WARNING, line)),
        )
    check_layers(translated, config, logger, decisions)
    for tensor in dict.fromkeys(row.missing for row in decisions if row.missing):
        logger.log(Severity.WARNING, MISSING.format(tensor))
    for note in plan.manifest.notes:
        logger.log(Severity.INFO, note)
    profiles = [{n: [list(s) for s in r] for n, r in sorted(p._ranges.items())} for p in config._profiles]
    surface = {
        "name": network.name,
        "profiles": profiles,
        "verbosity": config.profiling_verbosity.name,
        "inputs": [t.name for t in network._inputs],
        "outputs": [t.name for t in network._outputs],
    }
    options = {**plan.manifest.options, "tensorrt": surface}
    return dataclasses.replace(plan, manifest=dataclasses.replace(plan.manifest, options=options))


@contextmanager
def _progress(monitor: IProgressMonitor | None) -> Iterator[Callable[[str, int, int], None] | None]:
    """The build's progress as one phase of a progress monitor, whose `False` stops the build."""
    if monitor is None:
        yield None
        return
    has_started = False

    def step(what: str, done: int, total: int) -> None:
        nonlocal has_started
        if not has_started:
            monitor.phase_start(PHASE, None, total)
            has_started = True
        if not monitor.step_complete(PHASE, done):
            raise UserError("E657", f"the progress monitor stopped the build at '{what}'")

    try:
        yield step
    finally:
        if has_started:
            monitor.phase_finish(PHASE)
