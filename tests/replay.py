"""Are the plans of the examples, byte for byte, those that main recorded?   make replay [UPDATE=1]

A plan is code for a named level, never for a host, so the same source gives the same bytes on every machine. A change
that means to leave code alone proves it here; one that means to change it records anew, and the diff of
tests/data/replay.json shows which plans and which blobs.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import burnish
from burnish.plan import Plan

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "tests" / "data" / "replay.json"
TARGETS = ("cpu:x86-64-v2", "cpu:x86-64-v3", "cpu:x86-64-v4")
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


def replay() -> dict[str, dict[str, str]]:
    """The hashes of every example for every target."""
    found = {}
    for name, (path, profile) in PROFILES.items():
        for target in TARGETS:
            plan = burnish.build(str(ROOT / path), profile=profile, target=target)
            found[f"{name}, {target}"] = plan_hashes(plan)
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
        print(f"recorded {len(found)} plans in {RECORD.relative_to(ROOT)}")
        return 0
    lines = differences(json.loads(RECORD.read_text()), found)
    print("\n".join(["these plans changed:", *lines]) if lines else f"{len(found)} plans, every byte as recorded")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
