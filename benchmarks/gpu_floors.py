"""Floors: what a plan's launches would take on an H200 if each ran at the chip's limit.

floor = sum over launches of max(flops / 781 TFLOP/s, bytes / 4.25 TB/s) + 1.2 us a launch

Bytes are those of each launch's own tensors, once; what stays in the 50 MB of L2 between launches can go faster than
this. The limit beside it, flops or weights and surface alone in a single launch, holds for every implementation of the
model in this precision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gpu_cases import LAUNCH_US, TERABYTES, TERAFLOPS, Case

from burnish.dims import Dim, evaluate, symbols
from burnish.plan.manifest import LaunchSpec, Manifest


@dataclass(frozen=True, slots=True)
class Floor:
    """launches_us: without what a launch itself costs; floor_us: with it; limit_us: of anything, where known."""

    launches: int
    gflop: float
    mbytes: float
    launches_us: float
    floor_us: float
    limit_us: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def launch_us(flops: float, size_bytes: float) -> float:
    """One launch at the chip's limit."""
    return max(flops / TERAFLOPS, size_bytes / TERABYTES) / 1e6


def floor_of(work: Iterable[tuple[float, float]], least_bytes: float = 0.0) -> Floor:
    """From (flops, bytes) of each launch; least_bytes: of weights, inputs and outputs."""
    work = list(work)
    flops, size_bytes = sum(w[0] for w in work), sum(w[1] for w in work)
    alone = sum(launch_us(*w) for w in work)
    limit = launch_us(flops, least_bytes) if least_bytes else 0.0
    return Floor(len(work), flops / 1e9, size_bytes / 1e6, alone, alone + LAUNCH_US * len(work), limit)


def plan_floor(manifest: Manifest, target: str) -> Floor:
    """Of a plan's variant for `target`, at the profile's opt shapes."""
    (variant,) = (v for v in manifest.variants if v.target == target)
    return floor_of(launch_work(variant.launches, {s.name: s.opt for s in manifest.symbols}))


def launch_work(launches: Iterable[LaunchSpec], values: Mapping[str, int]) -> list[tuple[float, float]]:
    """(flops, bytes) of each launch at these sizes."""
    return [(_number(spec.flops, values), _number(spec.bytes, values)) for spec in launches]


def model_floor(case: Case, folder: Path, precision: str, target: str) -> Floor:
    """Of what the model is lowered to, nothing compiled."""
    from burnish.building.analyze import analyze
    from burnish.kernels.task import each_launch
    from burnish.kernels.work import flops, slot_bytes
    from burnish.precision.precision import parse_precision
    from burnish.target import parse_target
    from burnish.targets import compiler_of

    chosen = parse_target(target)
    program = analyze(
        folder / f"{case.model}.onnx",
        shapes=case.shapes,
        abilities=compiler_of(chosen).abilities,
        precision=parse_precision(precision),
    ).program
    opt = {name: sizes[1] for name, sizes in program.symbols.items()}
    kinds = {s.number: s.kind for s in program.storages}
    work, least = [], dict[int, float]()
    for launch in each_launch(program.steps):
        sizes = [_number(size, opt) for size in slot_bytes(launch.kernel)]
        work.append((_number(flops(launch.kernel), opt), sum(sizes)))
        for binding, size in zip(launch.bindings, sizes):
            if kinds[binding.storage] in ("constant", "input", "output"):
                least[binding.storage] = max(size, least.get(binding.storage, 0.0))
    return floor_of(work, sum(least.values()))


def _number(dim: Dim, values: Mapping[str, int]) -> float:
    return float(evaluate(dim, values)) if symbols(dim) <= values.keys() else 0.0
