"""Random ONNX graphs of everyday operators: views, pointwise work, reductions, products, joins, several outputs.

They are what no exporter writes, and so what nobody thought of: fusion, layout and memory decisions meet each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = tuple[int, ...]
UNARY = ("Relu", "Sigmoid", "Tanh", "Exp", "Neg", "Abs", "Erf", "Softplus", "HardSwish", "Identity")
BINARY = ("Add", "Sub", "Mul", "Max", "Min")
MOST_ELEMENTS = 4096


class RandomGraph:
    """Grows a graph node by node; every value is f32 of a known shape and stays near unit scale."""

    often: tuple[str, ...] = ()  # makers to be picked more often: one more time for each that is named

    def __init__(self, seed: int, nodes: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.names = (f"v{n}" for n in itertools.count())
        self.values: dict[str, Shape] = {}
        self.inputs = {name: self.some_shape() for name in ("a", "b")[: self.pick((1, 2))]}
        self.values.update(self.inputs)
        makers = [getattr(self, name) for name in dir(self) if name.startswith("make_")]
        makers += [getattr(self, name) for name in self.often]
        while len(self.nodes) < nodes:
            self.pick(makers)()

    def model(self) -> onnx.ModelProto:
        used = {name for node in self.nodes for name in node.input}
        ends = [n for n in self.values if n not in used and n not in self.inputs]
        extra = [n for n in self.values if n in used and n not in self.inputs and self.random.random() < 0.1]
        info = lambda n: helper.make_tensor_value_info(n, TensorProto.FLOAT, self.values[n])
        inputs, outputs = [info(n) for n in self.inputs], [info(n) for n in ends + extra]
        graph = helper.make_graph(self.nodes, "random", inputs, outputs, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)

    def feeds(self) -> dict[str, np.ndarray[Any, Any]]:
        return {n: self.random.standard_normal(s).astype(np.float32) for n, s in self.inputs.items()}

    # -- choices --------------------------------------------------------------------------------------------------

    def pick(self, options: Any) -> Any:
        return options[int(self.random.integers(len(options)))]

    def some_shape(self) -> Shape:
        rank = self.pick((2, 3, 4, 4))
        return (self.pick((1, 2)), *(int(n) for n in self.random.integers(1, 9, rank - 1)))

    def source(self, fits: Callable[[Shape], bool] = lambda s: True) -> str | None:
        """A value, recent ones more often."""
        found = [n for n, s in self.values.items() if fits(s)]
        return found[-1 - min(int(self.random.exponential(3)), len(found) - 1)] if found else None

    def add(self, op: str, inputs: list[str], shape: Shape, **attributes: Any) -> str:
        name = next(self.names)
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        self.values[name] = tuple(int(n) for n in shape)
        return name

    def constant(self, array: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weights(self, *shape: int) -> str:
        scale = 1 / np.sqrt(max(np.prod(shape[1:]), 1))
        return self.constant((self.random.standard_normal(shape) * scale).astype(np.float32))

    # -- operators ------------------------------------------------------------------------------------------------

    def make_unary(self) -> None:
        x = self.source()
        assert x is not None
        op = self.pick(UNARY)
        if op == "Exp":
            x = self.add("Tanh", [x], self.values[x])
        self.add(op, [x], self.values[x])

    def make_binary(self) -> None:
        x = self.source()
        assert x is not None
        shape = self.values[x]
        other = self.source(lambda s: s == shape)
        kept = [n if self.random.random() < 0.6 else 1 for n in shape]
        if self.random.random() < 0.5 or other is None:
            other = self.constant(self.random.standard_normal(kept).astype(np.float32))
        pair = [x, other] if self.random.random() < 0.7 else [other, x]
        self.add(self.pick(BINARY), pair, shape)

    def make_transpose(self) -> None:
        x = self.source()
        assert x is not None
        shape = self.values[x]
        order = [int(n) for n in self.random.permutation(len(shape))]
        self.add("Transpose", [x], tuple(shape[a] for a in order), perm=order)

    def make_reshape(self) -> None:
        x = self.source()
        assert x is not None
        shape = self.values[x]
        cut = int(self.random.integers(len(shape)))
        merged = (*shape[:cut], int(np.prod(shape[cut:])))
        options = [merged, (1, *shape), (*shape, 1), tuple(self.split(shape))]
        new = self.pick([s for s in options if len(s) <= 5])
        self.add("Reshape", [x, self.constant(np.array(new, np.int64))], new)

    def split(self, shape: Shape) -> Shape:
        a = int(self.random.integers(len(shape)))
        factor = next((f for f in (2, 3) if shape[a] % f == 0), 1)
        return (*shape[:a], factor, shape[a] // factor, *shape[a + 1 :])

    def make_slice(self) -> None:
        x = self.source()
        assert x is not None
        shape = self.values[x]
        a = int(self.random.integers(len(shape)))
        step = self.pick((1, 1, 2, -1))
        start, end = (0, shape[a]) if step > 0 else (shape[a] - 1, -shape[a] - 1)
        start += int(step > 0 and shape[a] > 2)
        count = len(range(shape[a])[start : end if step > 0 else None : step])
        where = [self.constant(np.array([v], np.int64)) for v in (start, end, a, step)]
        self.add("Slice", [x, *where], (*shape[:a], count, *shape[a + 1 :]))

    def make_concat(self) -> None:
        x = self.source()
        assert x is not None
        shape = self.values[x]
        a = int(self.random.integers(len(shape)))
        others = [
            n
            for n, s in self.values.items()
            if len(s) == len(shape) and s[:a] + s[a + 1 :] == shape[:a] + shape[a + 1 :]
        ]
        parts = [x, *(self.pick(others) for _ in range(self.pick((1, 2))))]
        total = sum(self.values[p][a] for p in parts)
        new = (*shape[:a], total, *shape[a + 1 :])
        if np.prod(new) <= MOST_ELEMENTS:
            self.add("Concat", parts, new, axis=a)

    def make_reduce(self) -> None:
        x = self.source(lambda s: len(s) > 1)
        if x is None:
            return
        shape = self.values[x]
        axes = sorted({int(a) for a in self.random.integers(0, len(shape), 2)})[: len(shape) - 1]
        new = tuple(1 if a in axes else n for a, n in enumerate(shape))
        op = self.pick(("ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2"))
        self.add(op, [x, self.constant(np.array(axes, np.int64))], new, keepdims=1)

    def make_softmax(self) -> None:
        x = self.source()
        assert x is not None
        self.add("Softmax", [x], self.values[x], axis=int(self.random.integers(len(self.values[x]))))

    def make_norm(self) -> None:
        x = self.source(lambda s: s[-1] >= 5)
        if x is not None:
            self.normalize(x)

    def normalize(self, x: str) -> None:
        """A row that surely varies: where the variance vanishes, any rounding is an answer."""
        width = self.values[x][-1]
        varied = self.constant(self.random.permutation(np.linspace(-2, 2, width)).astype(np.float32))
        x = self.add("Add", [self.add("Tanh", [x], self.values[x]), varied], self.values[x])
        self.add("LayerNormalization", [x, self.weights(width), self.weights(width)], self.values[x], axis=-1)

    def make_product(self) -> None:
        x = self.source()
        assert x is not None
        shape = self.values[x]
        width = int(self.random.integers(1, 20))
        self.add("MatMul", [x, self.weights(shape[-1], width)], (*shape[:-1], width))

    def make_product_of_two(self) -> None:
        x = self.source(lambda s: len(s) >= 2)
        if x is None:
            return
        shape = self.values[x]
        order = [*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]
        t = self.add("Transpose", [x], (*shape[:-2], shape[-1], shape[-2]), perm=order)
        y = self.add("MatMul", [x, t], (*shape[:-1], shape[-2]))
        self.add("Tanh", [y], self.values[y])

    def make_conv(self) -> None:
        x = self.source(lambda s: len(s) == 4)
        if x is None:
            return
        n, c, h, w = self.values[x]
        k = self.pick([k for k in (1, 3) if k <= min(h, w) + 2])
        stride, pad = self.pick((1, 1, 2)), k // 2
        out = [(e + 2 * pad - k) // stride + 1 for e in (h, w)]
        group = c if self.random.random() < 0.2 else 1
        o = c if group == c and c > 1 else int(self.random.integers(1, 40))
        inputs = [x, self.weights(o, c // group, k, k)]
        if self.random.random() < 0.5:
            inputs.append(self.weights(o))
        if n * o * out[0] * out[1] <= MOST_ELEMENTS:
            self.add(
                "Conv", inputs, (n, o, *out), kernel_shape=[k, k], strides=[stride] * 2, pads=[pad] * 4, group=group
            )

    def make_pool(self) -> None:
        x = self.source(lambda s: len(s) == 4 and min(s[2:]) >= 2)
        if x is None:
            return
        n, c, h, w = self.values[x]
        op = self.pick(("MaxPool", "AveragePool"))
        self.add(op, [x], (n, c, h // 2, w // 2), kernel_shape=[2, 2], strides=[2, 2])
