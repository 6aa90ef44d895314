"""The files that trtexec writes, in its formats: times, outputs, profile, layers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from burnish.cli.trtexec.sections import dims
from burnish.cli.trtexec.timing import Run
from burnish.plan import Manifest, write_atomically
from burnish.plan.manifest import Variant
from burnish.runtime import LayerTime

Array = np.ndarray[Any, Any]


def times(runs: Sequence[Run]) -> list[dict[str, float]]:
    """--exportTimes: one object per inference. There are no transfers; computing starts with the call."""
    return [
        {
            "startEnqMs": r.start_ms, "endEnqMs": r.end_ms, "startH2dMs": r.start_ms, "endH2dMs": r.start_ms,
            "startComputeMs": r.start_ms, "endComputeMs": r.end_ms, "startD2hMs": r.end_ms, "endD2hMs": r.end_ms,
            "h2dMs": 0.0, "computeMs": r.latency_ms, "d2hMs": 0.0, "latencyMs": r.latency_ms,
        }
        for r in runs
    ]  # fmt: skip


def profile(layers: Sequence[LayerTime], iterations: int) -> list[dict[str, Any]]:
    """--exportProfile: the number of runs, then each layer."""
    total = sum(layer.ms for layer in layers) or 1.0
    return [
        {"count": iterations},
        *(
            {
                "name": " + ".join(layer.nodes) or layer.name,
                "timeMs": layer.ms * iterations,
                "averageMs": layer.ms,
                "medianMs": layer.ms,
                "percentage": 100 * layer.ms / total,
            }
            for layer in layers
        ),
    ]


def profile_text(layers: Sequence[LayerTime], iterations: int) -> str:
    """--dumpProfile: the same as a table."""
    head = "   Time(ms)     Avg.(ms)   Median(ms)   Time(%)   Layer"
    total = sum(layer.ms for layer in layers) or 1.0
    rows = [
        f"{layer.ms * iterations:11.2f}{layer.ms:13.4f}{layer.ms:13.4f}{100 * layer.ms / total:10.1f}"
        f"   {' + '.join(layer.nodes) or layer.name}"
        for layer in layers
        if layer.ms
    ]
    rows.append(f"{total * iterations:11.2f}{total:13.4f}{total:13.4f}{100.0:10.1f}   Total")
    return "\n".join(["", f"=== Profile ({iterations} iterations ) ===", head, *rows])


def layer_info(manifest: Manifest, variant: Variant, verbosity: str) -> dict[str, Any]:
    """--exportLayerInfo: names, or with --profilingVerbosity=detailed kernels, tactics and nodes."""
    names = [" + ".join(launch.nodes) or launch.name for launch in variant.launches]
    layers: list[Any] = [] if verbosity == "none" else list(names)
    if verbosity == "detailed":
        layers = [
            {"Name": name, "LayerType": launch.kernel, "TacticName": launch.tactic, "Metadata": " ".join(launch.nodes)}
            for name, launch in zip(names, variant.launches)
        ]
    return {"Layers": layers, "Bindings": [t.name for t in (*manifest.inputs, *manifest.outputs)]}


def outputs(arrays: Mapping[str, Array]) -> list[dict[str, Any]]:
    """--exportOutput: the outputs as JSON."""
    return [{"name": n, "dimensions": dims(a.shape), "values": _values(a)} for n, a in arrays.items()]


def outputs_text(arrays: Mapping[str, Array]) -> str:
    """--dumpOutput: the outputs as text."""
    lines = ["Output Tensors:"]
    for name, array in arrays.items():
        lines += [
            f"{name}: ({dims(array.shape)})",
            " ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in _values(array)),
        ]
    return "\n".join(lines)


def raw_files(arrays: Mapping[str, Array], kind: str) -> list[str]:
    """--dumpRawBindingsToFile: KIND.NAME.DIMS.TYPE.raw in the current folder; the names written."""
    written = []
    for name, array in arrays.items():
        path = Path(f"{kind}.{name.replace('/', '_').replace(':', '_')}.{dims(array.shape)}.{array.dtype.name}.raw")
        write_atomically(path, [np.ascontiguousarray(array).tobytes()])
        written.append(str(path))
    return written


def write_json(path: str, value: Any) -> None:
    """E403 if the place cannot be written."""
    write_atomically(path, [json.dumps(value, indent=1).encode()])


def _values(array: Array) -> list[Any]:
    flat = array.ravel()
    return [float(v) for v in flat] if flat.dtype.kind in "fV" else flat.tolist()
