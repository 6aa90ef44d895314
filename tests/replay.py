"""Are the plans of the examples, byte for byte, those that main recorded?   make replay [UPDATE=1]

A plan is code for a named level, never for a host, so the same source gives the same bytes on every machine. A change
that means to leave code alone proves it here; one that means to change it records anew, and the diff of
tests/data/replay.json shows which plans and which blobs. Of a GPU's kernels the Triton sources are recorded: what
Triton makes of them is its own affair, and takes minutes. Of every architecture at one batch of fixed size the kernels'
digests are recorded: a timing cache finds its measurements by them.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import burnish
from burnish.building.analyze import analyze
from burnish.kernels.task import each_launch
from burnish.plan import Plan
from burnish.target import parse_target
from burnish.targets import compiler_of
from burnish.targets.cuda.source import Source
from burnish.targets.cuda.templates import emit, schedules_of
from burnish.tune.task import digest_of
from tests.end_to_end.architectures import SMALL

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "tests" / "data" / "replay.json"
TARGETS = ("cpu:x86-64-v2", "cpu:x86-64-v3", "cpu:x86-64-v4")
GPU_TARGETS = ("cuda:sm_80", "cuda:sm_90a")
GPU_ARCHITECTURES = ("mobilenet_v2", "bert")  # windows, squeezes and residuals; attention, norms and gathers
FIXED_TARGETS = (TARGETS[0], GPU_TARGETS[-1])  # whose kernels' digests are recorded
TRIED = 3  # schedules of a kernel: the best, one in the middle, the last
PROFILES = {
    "digits fixed": ("examples/digits.onnx", {"image": ((1, 1, 8, 8),) * 3}),
    "digits dynamic": ("examples/digits.onnx", {"image": ((1, 1, 8, 8), (8, 1, 8, 8), (64, 1, 8, 8))}),
}


def plan_hashes(plan: Plan) -> dict[str, str]:
    """Of the whole file, and of each part that is not a weight."""
    found = {"plan": hashlib.sha256(plan.to_bytes()).hexdigest()}
    for name, blob in sorted(plan.blobs.items()):
        if not name.startswith("weights/"):
            found[name] = hashlib.sha256(blob).hexdigest()
    weights = "".join(name for name in sorted(plan.blobs) if name.startswith("weights/"))
    return found | {"weights": hashlib.sha256(weights.encode()).hexdigest()}


def source_hashes(model: str | bytes, profile: Any, name: str) -> dict[str, str]:
    """Of each launch's kernel: its sources under some of its schedules."""
    target = parse_target(name)
    program = analyze(model, profile=profile, abilities=compiler_of(target).abilities).program
    sizes = program.sizes
    sources: dict[str, list[Source]] = {}
    for launch in each_launch(program.steps):
        offered = schedules_of(launch.kernel, target, sizes)
        tried = [offered[n * (len(offered) - 1) // (TRIED - 1)] for n in range(TRIED)]
        sources.setdefault(launch.name, []).extend(replace(emit(launch.kernel, s, target), name="") for s in tried)
    return {launch: hashlib.sha256(repr(texts).encode()).hexdigest() for launch, texts in sources.items()}


def kernel_digests(name: str, target: str) -> dict[str, str]:
    """Of each launch of an architecture whose shapes are fixed."""
    shapes = {x: value.shape for x, value in SMALL[name].feeds(batch=1).items()}
    abilities = compiler_of(parse_target(target)).abilities
    program = analyze(SMALL[name].make(), shapes=shapes, abilities=abilities).program
    digests: dict[str, list[str]] = {}
    for launch in each_launch(program.steps):
        digests.setdefault(launch.name, []).append(digest_of(launch.kernel))
    return {launch: " ".join(found) for launch, found in digests.items()}


def replay() -> dict[str, dict[str, str]]:
    """The hashes of every example for every target."""
    found = {}
    for name, (path, profile) in PROFILES.items():
        for target in TARGETS:
            plan = burnish.build(str(ROOT / path), profile=profile, target=target)
            found[f"{name}, {target}"] = plan_hashes(plan)
    for target in GPU_TARGETS:
        for name, (path, profile) in PROFILES.items():
            found[f"{name}, {target}"] = source_hashes(str(ROOT / path), profile, target)
        for name in GPU_ARCHITECTURES:
            shapes = {x: value.shape for x, value in SMALL[name].feeds(batch=4).items()}
            ranges = {x: ((1, *s[1:]), s, (8, *s[1:])) for x, s in shapes.items()}
            found[f"{name}, {target}"] = source_hashes(SMALL[name].make(), ranges, target)
    for target in FIXED_TARGETS:
        for name in SMALL:
            found[f"kernels of {name}, {target}"] = kernel_digests(name, target)
    return found


def differences(recorded: dict[str, dict[str, str]], found: dict[str, dict[str, str]]) -> list[str]:
    """A line for each plan that differs, with the parts that do."""
    lines = []
    for name in sorted(recorded.keys() | found.keys()):
        old, new = recorded.get(name, {}), found.get(name, {})
        parts = [part for part in sorted(old.keys() | new.keys()) if old.get(part) != new.get(part)]
        if parts:
            lines.append(f"{name}: {', '.join(parts)}")
    return lines


def main(arguments: list[str]) -> int:
    found = replay()
    if "--update" in arguments:
        RECORD.parent.mkdir(exist_ok=True)
        RECORD.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
        print(f"recorded {len(found)} plans and programs in {RECORD.relative_to(ROOT)}")
        return 0
    lines = differences(json.loads(RECORD.read_text()), found)
    same = f"{len(found)} plans and programs, every byte as recorded"
    print("\n".join(["these changed:", *lines]) if lines else same)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
