"""Network + configuration -> plan: translate both into arguments of burnish.build."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import burnish
from burnish.errors import UserError
from burnish.plan import Plan
from burnish.tensorrt.config import IBuilderConfig
from burnish.tensorrt.enums import BuilderFlag, MemoryPoolType
from burnish.tensorrt.interfaces import ILogger, IProgressMonitor, Severity
from burnish.tensorrt.network.network import INetworkDefinition
from burnish.tensorrt.profile import merged_ranges

PHASE = "Building the plan"


def build_plan(network: INetworkDefinition, config: IBuilderConfig, logger: ILogger) -> Plan:
    """Build the network.

    Several optimization profiles become one plan for the range that holds them all; a context of profile i is held to
    profile i's shapes.
    raises: E652, E653 and whatever the build raises
    """
    _warn(network, config, logger)
    profile = merged_ranges(network, config._profiles)
    limit = config.get_memory_pool_limit(MemoryPoolType.WORKSPACE)
    with _progress(config.progress_monitor) as progress:
        plan: Plan = burnish.build(
            network.to_model(),
            profile=profile,
            workspace=limit or None,
            precision=config.precision,
            progress=progress,
            **config.tuning(lambda line: logger.log(Severity.WARNING, line)),
        )
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


def _warn(network: INetworkDefinition, config: IBuilderConfig, logger: ILogger) -> None:
    """Warn about requested features that do not exist yet; they are never ignored silently."""
    for flag in config.flags_not_there_yet():
        logger.log(Severity.WARNING, f"{flag} is not there yet: the plan computes in the network's own types")
    if config.int8_calibrator is not None and not config.get_flag(BuilderFlag.INT8):
        logger.log(Severity.WARNING, "int8_calibrator is set and BuilderFlag.INT8 is not: it is not called")
    lowered = [layer.name for layer in network if layer.precision_is_set and layer.precision.name != "FLOAT"]
    if lowered:
        names = ", ".join(lowered[:3]) + (" ..." if len(lowered) > 3 else "")
        logger.log(
            Severity.WARNING, f"layer precision is not there yet: {len(lowered)} layers ({names}) keep their types"
        )


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
