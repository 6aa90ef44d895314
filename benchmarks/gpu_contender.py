"""The process that one system is measured in on a GPU: `python gpu_contender.py '{"system": ..., ...}'`.

One JSON object a line, both ways. It says {"load_ms"} or {"problem"}; then it answers
  {"runs": n}         {"times_ms": [...]}   of replays back to back, with an event after each
  {"outputs": FILE}   {"saved": [...]}      the asked rows of every output, as an .npz
  {"layers": true}    {"layers": [...]}     Burnish only: a row per launch
and ends at {} or at the end of input. Inputs and outputs stay on the device while it is measured.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from gpu_models import make_model


class Burnish:
    """A plan, replayed as one CUDA graph; what runs here imports neither a compiler nor torch."""

    def __init__(self, spec: dict[str, Any]) -> None:
        import burnish

        with np.load(spec["inputs"]) as found:
            self.inputs = dict(found)
        start = time.perf_counter()
        self.engine = burnish.load(spec["plan"], device=spec["device"])
        self.context = self.engine.create_context()
        self.outputs = self.context(self.inputs)
        self.load_ms = 1e3 * (time.perf_counter() - start)

    def times_ms(self, runs: int) -> list[float]:
        return [float(t) for t in self.context.time(self.inputs, runs)]

    def layers(self) -> list[dict[str, Any]]:
        from dataclasses import asdict

        return [asdict(row) for row in self.context.profile(self.inputs, iterations=20)]


class Torch:
    """The model of the script that exported it, compiled, and captured in a CUDA graph by hand.

    mode: eager, default, max-autotune-no-cudagraphs: captured here, which spares the copies and guards of torch's own
    graphs; reduce-overhead, max-autotune: called as they are. Images are channels-last, with "-nchw" after the mode
    channels-first. cuDNN times its algorithms. The mask of a sequence model is left out: all ones.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        import torch

        start = time.perf_counter()
        torch.set_grad_enabled(False)
        torch.backends.cudnn.benchmark = True
        self._torch, self._device = torch, spec["device"]
        self._mode = spec["system"].removeprefix("torch-").removesuffix("-nchw")
        with np.load(spec["inputs"]) as found:
            given = {name: torch.from_numpy(array) for name, array in found.items()}
        model, _, field = make_model(Path(spec["script"]), spec["model"], "sdpa")
        inputs = {name: tensor for name, tensor in given.items() if name != "attention_mask"}
        dtype = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}[spec["precision"]]
        model = model.to(self._device, dtype)
        self._inputs = {n: t.to(self._device, dtype if t.is_floating_point() else t.dtype) for n, t in inputs.items()}
        if "pixel_values" in self._inputs and not spec["system"].endswith("-nchw"):
            model = model.to(memory_format=torch.channels_last)
            self._inputs["pixel_values"] = self._inputs["pixel_values"].to(memory_format=torch.channels_last)

        def forward(**named: Any) -> Any:
            return getattr(model(**named, return_dict=True), field)

        mode = None if self._mode == "default" else self._mode
        function = forward if self._mode == "eager" else torch.compile(forward, mode=mode, dynamic=False)
        self._replay = self._captured(function)
        self.outputs = {field: self._result.float().cpu().numpy()}
        self.load_ms = 1e3 * (time.perf_counter() - start)

    def times_ms(self, runs: int) -> list[float]:
        if self._device == "cpu":
            stamps = [time.perf_counter()]
            for _ in range(runs):
                self._replay()
                stamps.append(time.perf_counter())
            return [1e3 * (end - start) for start, end in pairwise(stamps)]
        events = [self._torch.cuda.Event(enable_timing=True) for _ in range(runs + 1)]
        events[0].record()
        for event in events[1:]:
            self._replay()
            event.record()
        self._torch.cuda.synchronize()
        return [float(start.elapsed_time(end)) for start, end in pairwise(events)]

    def layers(self) -> list[dict[str, Any]]:
        return []

    def _captured(self, function: Callable[..., Any]) -> Callable[[], Any]:
        """A function that runs the model once; its first result stays in `_result`."""
        torch = self._torch
        if self._device == "cpu" or self._mode in ("reduce-overhead", "max-autotune"):
            for _ in range(3):
                self._result = function(**self._inputs)
            self._result = self._result.clone()
            return lambda: function(**self._inputs)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                function(**self._inputs)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._result = function(**self._inputs)
        graph.replay()
        torch.cuda.synchronize()
        return graph.replay  # type: ignore[no-any-return]


def serve(spec: dict[str, Any], requests: TextIO, answers: TextIO) -> None:
    """Load the system, then answer requests until an empty one or the end of input."""

    def answer(value: dict[str, Any]) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    try:
        system = Burnish(spec) if spec["system"] == "burnish" else Torch(spec)
    except Exception as error:
        answer({"problem": f"{type(error).__name__}: {error}"[:2000]})
        return
    answer({"load_ms": system.load_ms})
    for line in requests:
        request = json.loads(line)
        if not request:
            break
        try:
            answer(_answer(system, spec, request))
        except Exception as error:
            answer({"problem": f"{type(error).__name__}: {error}"[:2000]})


def _answer(system: Burnish | Torch, spec: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    if "runs" in request:
        return {"times_ms": system.times_ms(request["runs"])}
    if "layers" in request:
        return {"layers": system.layers()}
    rows = {name: np.asarray(array)[spec["rows"]] for name, array in system.outputs.items()}
    np.savez(request["outputs"], **{name: array.astype(np.float32) for name, array in rows.items()})
    return {"saved": sorted(rows)}


if __name__ == "__main__":
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as channel:  # what the systems print goes to stderr
        os.dup2(2, 1)
        serve(json.loads(sys.argv[1]), sys.stdin, channel)
