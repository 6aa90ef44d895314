"""The process that one plan is built in: `python gpu_build.py '{"model": ..., "plan": ...}'` prints a line of JSON."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from gpu_floors import plan_floor

import burnish


def main(spec: dict[str, Any]) -> dict[str, Any]:
    """Build and save; what to know of the plan: its time, size, launches and floor."""
    start = time.perf_counter()
    tuning: dict[str, Any] = {"note_tuning": lambda line: print(line, file=sys.stderr)}
    tuning |= {
        "timing_cache": spec["cache"] or None,
        "opt_level": spec["opt_level"],
        "tune_budget": spec["tune_budget"] if spec["opt_level"] else None,
    }
    inputs = input_names(spec["model"])
    plan = burnish.build(
        spec["model"],
        shapes={name: tuple(shape) for name, shape in spec["shapes"].items() if name in inputs},
        target=spec["target"],
        precision=spec["precision"],
        **(tuning if spec["target"].startswith("cuda") else {}),
    )
    plan.save(spec["plan"])
    (variant,) = plan.manifest.variants
    return {
        "built_s": round(time.perf_counter() - start, 2),
        "plan_mib": round(sum(len(blob) for blob in plan.blobs.values()) / 2**20, 1),
        "notes": list(plan.manifest.notes),
        "floor": plan_floor(plan.manifest, variant.target).as_dict(),
    }


def input_names(path: str) -> set[str]:
    """The inputs of an ONNX file, its weights unread."""
    import onnx

    return {i.name for i in onnx.load(path, load_external_data=False).graph.input}


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(main(json.loads(sys.argv[1]))) + "\n")
