"""Models with one planted fault each, and the plans of them that the doctor gets: on a processor, and on a GPU.

The GPU's plan runs on the pretended driver, every kernel in Triton's interpreter. Nothing is compiled for it: the
interpreter reads the source.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import burnish
from burnish.devices import Device
from burnish.devices.null.processor import null_cuda
from burnish.doctor import Diagnosis, diagnose
from burnish.plan import Plan
from burnish.precision.ranges import Range, Ranges
from burnish.targets.cuda import program as program_module
from burnish.targets.cuda.compiler.compile import Cubin
from burnish.targets.cuda.source import Source, TensorMap
from tests.end_to_end.test_null_gpu import Interpreter

Array = np.ndarray[Any, Any]
CPU, CPU_BF16, GPU = "cpu", "cpu:x86-64-v4+bf16", "cuda:sm_90a"


def model_of(text: str, **weights: Array) -> onnx.ModelProto:
    """A model from ONNX's own text, `text` being its graph, and these weights."""
    found = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 21]> {text}')
    found.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    for number, node in enumerate(found.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
    return found


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> Array:
    """Standard normal numbers, times a scale."""
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


MLP = """g (float[16,32] x) => (float[16,12] y) {
    [first] a = MatMul(x, w)
    [shift] a2 = Add(a, c)
    [act] b = Relu(a2)
    [second] y = MatMul(b, v)
}"""
WEIGHTS = {
    "w": normal(32, 24, seed=1, scale=0.2),
    "c": normal(24, seed=4, scale=0.1),
    "v": normal(24, 12, seed=2, scale=0.2),
}
DATA = [{"x": normal(16, 32, seed=n)} for n in (5, 6)]


def mlp(**changed: Array) -> onnx.ModelProto:
    """Two products with a Relu between, some of whose weights are changed."""
    return model_of(MLP, **WEIGHTS | changed)


def fitting_ranges(model: onnx.ModelProto, **changed: Range) -> Ranges:
    """Ranges of x and b a little wider than the first sample's numbers, but for those that are changed."""
    arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    x = DATA[0]["x"]
    b = np.maximum(x @ arrays["w"] + arrays["c"], 0)
    own = {"x": Range(1.3 * float(x.min()), 1.3 * float(x.max())), "b": Range(0.0, 1.3 * float(b.max()))}
    return Ranges(own | changed)


def quantised(array: Array, scale: float | Array, axis: int = 0) -> Array:
    """i8 codes."""
    shape = [-1 if a == axis else 1 for a in range(array.ndim)]
    return np.clip(np.rint(array / np.reshape(scale, shape if np.size(scale) > 1 else ())), -127, 127).astype(np.int8)


class Surgery:
    """Builds plans and lets the doctor look at them, on each target alike."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sources: dict[bytes, Source] = {}
        monkeypatch.setattr(program_module, "compile_sources", self._pretend)
        monkeypatch.setattr(program_module, "disassemble", lambda cubin: "")

    def device(self, target: str) -> Device | str:
        """Where plans for a target run here."""
        if not target.startswith("cuda"):
            return "cpu"
        interpreter = Interpreter(self.sources)
        device, interpreter.driver = null_cuda(on_launch=interpreter)
        return device

    def diagnose(
        self, model: Any, data: Sequence[Mapping[str, Array]], target: str, *, plan: Plan | None = None, **options: Any
    ) -> Diagnosis:
        """Build (with `options` of `build`) and diagnose."""
        asked = {name: options.pop(name) for name in ("reference", "remedy") if name in options}
        plan = plan or burnish.build(model, target=target, **options)
        return diagnose(model, plan, data, threads=1, device=self.device(target), **asked)

    def _pretend(self, tasks: Sequence[tuple[Source, Any]]) -> list[Cubin]:
        found = []
        for source, _ in tasks:
            content = hashlib.sha256(repr((source.text, source.parameters, source.grid)).encode()).digest()
            self.sources[content] = source
            maps = tuple((p.box, 0) for p in source.parameters if isinstance(p, TensorMap))
            found.append(Cubin(content, "kernel", 32 * source.warps, 0, maps))
        return found
