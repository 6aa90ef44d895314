"""Time BERT-Large in float8 on one NVIDIA GPU: python benchmarks/gpu_float8.py --layers 24 --budget 20

Each layer's products have float8 (e4m3) data and weights, as quantisers write them; its attention reads
`float16`    queries, keys and values in the type of the rest (--precision, fp16)
`float8`     them as float8, with a softmax in the type of the rest
`codes`      them as float8, and a softmax as float8, which is what TensorRT's quantiser writes
The weights are random, and the first layer's serve all layers in another order. `--launches` lists what takes how long.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parents[1]))

import burnish

Array = np.ndarray[Any, Any]
KIND, FLOAT8 = TensorProto.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn
WIDTH, HEADS, INNER, ROWS = 1024, 16, 4096, 3000
FORMS = ("codes", "float8", "float16")


class Writer:
    """A graph of layers. `codes` are weights to be rolled; scales are such that numbers stay near 1."""

    def __init__(self, batch: int, length: int, form: str) -> None:
        self.shape, self.form = (batch, length), form
        self.nodes: list[onnx.NodeProto] = []
        self.constants = [_constant("zero", np.zeros((), FLOAT8))]
        self.names = {"zero"}
        self.codes = np.random.default_rng(0).standard_normal(WIDTH * INNER, np.float32).astype(FLOAT8).view(np.uint8)

    def node(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        name = f"{op_type}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, array: Any) -> str:
        if name not in self.names:
            self.constants.append(_constant(name, np.asarray(array)))
            self.names.add(name)
        return name

    def rounded(self, x: str, scale: float) -> str:
        """x as float8 and back."""
        given = (self.constant(f"scale_{scale}", np.float32(scale)), "zero")
        return self.node("DequantizeLinear", self.node("QuantizeLinear", x, *given), *given)

    def linear(self, x: str, depth: int, columns: int, scale: float = 0.02) -> str:
        number = len(self.nodes)
        weight = np.roll(self.codes[: depth * columns], number).reshape(depth, columns).view(FLOAT8)
        step = np.random.default_rng(number).uniform(0.5, 1.5, columns).astype(np.float32) / np.float32(depth**0.5)
        w, s = self.constant(f"w{number}", weight), self.constant(f"s{number}", step)
        product = self.node("MatMul", self.rounded(x, scale), self.node("DequantizeLinear", w, s, axis=1))
        bias = np.random.default_rng(number).standard_normal(columns).astype(np.float32) / 10
        return self.node("Add", product, self.constant(f"b{number}", bias))

    def normal(self, x: str) -> str:
        one, none = self.constant("one", np.ones(WIDTH, np.float32)), self.constant("none", np.zeros(WIDTH, np.float32))
        return self.node("LayerNormalization", x, one, none, axis=-1, epsilon=1e-12)

    def attention(self, x: str) -> str:
        size = WIDTH // HEADS
        heads = self.constant("heads", np.array([*self.shape, HEADS, size]))
        parts = []
        for number, order in enumerate(([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])):
            part = self.node("Reshape", self.linear(x, WIDTH, WIDTH), heads)
            part = self.node("Transpose", part, perm=order)
            parts.append(part if self.form == "float16" else self.rounded(part, 0.01 * (1 + number)))
        q, k, v = parts
        scores = self.node("Div", self.node("MatMul", q, k), self.constant("root", np.float32(size**0.5)))
        softmax = self.node("Softmax", self.node("Add", scores, "mask"), axis=-1)
        if self.form == "codes":
            softmax = self.rounded(softmax, 1 / 448)
        turned = self.node("Transpose", self.node("MatMul", softmax, v), perm=[0, 2, 1, 3])
        rows = self.node("Reshape", turned, self.constant("rows", np.array([*self.shape, WIDTH])))
        return self.linear(rows, WIDTH, WIDTH, 0.01)

    def layer(self, x: str) -> str:
        x = self.normal(self.node("Add", x, self.attention(x)))
        inner = self.node("Gelu", self.linear(x, WIDTH, INNER))
        return self.normal(self.node("Add", x, self.linear(inner, INNER, WIDTH)))


def model_of(layers: int, batch: int, length: int, form: str) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """The model and its inputs; every second sentence ends early."""
    w = Writer(batch, length, form)
    table = np.random.default_rng(2).standard_normal((ROWS, WIDTH), np.float32)
    x = w.normal(w.node("Gather", w.constant("table", table), "words"))
    for _ in range(layers):
        x = w.layer(x)
    w.nodes.append(helper.make_node("Identity", [x], ["y"]))
    rows = np.random.default_rng(1).integers(0, ROWS, (batch, length))
    mask = np.zeros((batch, 1, 1, length), np.float32)
    mask[1::2, ..., length * 3 // 4 :] = -1e4
    inputs = [
        helper.make_tensor_value_info("words", TensorProto.INT64, rows.shape),
        helper.make_tensor_value_info("mask", TensorProto.FLOAT, mask.shape),
    ]
    graph = helper.make_graph(
        w.nodes,
        "bert",
        inputs,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (batch, length, WIDTH))],
        w.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return model, {"words": rows, "mask": mask}


def _constant(name: str, array: Array) -> onnx.TensorProto:
    """An initializer; onnx packs float8 as bytes."""
    if array.dtype == FLOAT8:
        return helper.make_tensor(name, KIND, array.shape, array.tobytes(), raw=True)
    return numpy_helper.from_array(array, name)


def measure(form: str, options: argparse.Namespace) -> None:
    """Build, time, print a line."""
    model, feeds = model_of(options.layers, options.batch, options.length, form)
    start = time.perf_counter()
    plan = burnish.build(
        model,
        target=options.target,
        precision=options.precision,
        opt_level=options.opt_level,
        tune_budget=options.budget if options.opt_level else None,
        timing_cache=options.cache or None,
    )
    built = time.perf_counter() - start
    (variant,) = plan.manifest.variants
    launches = len(variant.launches)
    if options.target != "cuda":
        print(f"{form}: {launches} launches, built in {built:.0f} s")
        return
    with burnish.load(plan, device="cuda") as engine, engine.create_context() as context:
        found = np.array(context(**feeds)["y"])
        times = [float(t) for _ in range(options.rounds + 1) for t in context.time(feeds, 60)][60:]
        rows = context.profile(feeds, iterations=20) if options.launches else []
    low, median, high = (float(np.percentile(times, p)) for p in (10, 50, 90))
    is_finite = bool(np.isfinite(found).all())
    print(
        f"{form}: {options.layers} layers {median:.4f} ms ({low:.4f} to {high:.4f}), {launches} launches, "
        f"finite: {is_finite}, built in {built:.0f} s",
        flush=True,
    )
    for row, launch in list(zip(rows, variant.launches))[: options.launches]:
        words = [w for w in launch.tactic.split() if not w.endswith(("=False", "=0", "=ieee", "="))]
        print(f"  {1e3 * row.ms:7.2f} us {launch.name[-40:]} {' '.join(words)}")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="BERT-Large in float8 on one GPU.")
    parser.add_argument("--forms", default=",".join(FORMS))
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=384)
    parser.add_argument("--precision", default="fp16")
    parser.add_argument("--target", default="cuda")
    parser.add_argument("--budget", type=float, default=20.0)
    parser.add_argument("--opt-level", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", default="")
    parser.add_argument("--launches", type=int, default=0)
    options = parser.parse_args(arguments)
    for form in options.forms.split(","):
        measure(form, options)


if __name__ == "__main__":
    main(sys.argv[1:])
