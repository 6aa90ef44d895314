"""Random graphs whose sizes are symbols: joins, slices, gathers, heads and branches over axes that only a run knows.

A size that an operator computes from a symbol is a symbol again, named by how it came to be, so that two values agree
along an axis only where they do so for every size. Each symbol may be larger at run time than where the graph grew.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.end_to_end.random_graphs import BINARY, MOST_ELEMENTS, UNARY, RandomGraph, Shape

LARGER = 5


class Symbol(int):
    """A size with a name, worth its smallest value; equal to what has the same name."""

    name: str

    def __new__(cls, value: int, name: str) -> Symbol:
        found = super().__new__(cls, value)
        found.name = name
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Symbol) and self.name == other.name

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.name)


def is_fixed(*sizes: int) -> bool:
    return not any(isinstance(n, Symbol) for n in sizes)


def derived(size: int, value: int, how: str) -> int:
    """What becomes of a size: of a symbol a symbol, of a number a number."""
    return Symbol(value, f"{size.name}{how}") if isinstance(size, Symbol) else value


def count(sizes: Shape) -> int:
    return int(np.prod([int(n) for n in sizes]))


class SymbolicGraph(RandomGraph):
    """Joins and views come often: where tensors share memory is where lowering decides most."""

    often = (*["make_concat"] * 6, *["make_split", "make_reshape", "make_transpose", "make_unary"] * 2, "make_conv")

    def __init__(self, seed: int, nodes: int) -> None:
        self.symbols: dict[str, Symbol] = {}
        super().__init__(seed, nodes)

    def model(self) -> onnx.ModelProto:
        used = {name for node in self.nodes for name in node.input}
        ends = [n for n in self.values if n not in used and n not in self.inputs]
        extra = [n for n in self.values if n in used and n not in self.inputs and self.random.random() < 0.1]
        inputs = [self.info(n, [d.name if isinstance(d, Symbol) else d for d in s]) for n, s in self.inputs.items()]
        outputs = [self.info(n, unnamed(self.values[n])) for n in ends + extra]
        graph = helper.make_graph(self.nodes, "random", inputs, outputs, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)

    @staticmethod
    def info(name: str, sizes: Any) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)

    def profile(self) -> dict[str, tuple[Shape, Shape, Shape]]:
        return {n: (self.sized(s, 0), self.sized(s, 2), self.sized(s, LARGER)) for n, s in self.inputs.items()}

    def some_feeds(self) -> dict[str, np.ndarray[Any, Any]]:
        """Inputs of sizes somewhere in the profile."""
        more = {name: int(self.random.integers(LARGER + 1)) for name in self.symbols}
        shapes = {
            n: [int(d) + (more[d.name] if isinstance(d, Symbol) else 0) for d in s] for n, s in self.inputs.items()
        }
        return {n: self.random.standard_normal(shape).astype(np.float32) for n, shape in shapes.items()}

    @staticmethod
    def sized(shape: Shape, more: int) -> Shape:
        return tuple(int(n) + (more if isinstance(n, Symbol) else 0) for n in shape)

    # -- choices --------------------------------------------------------------------------------------------------

    def some_shape(self) -> Shape:
        shape = list(super().some_shape())
        for a, n in enumerate(shape):
            if self.random.random() < 0.35:
                name = self.pick(("batch", "rows", "length"))
                shape[a] = self.symbols.setdefault(name, Symbol(n, name))
        return tuple(shape)

    def add(self, op: str, inputs: list[str], shape: Shape, **attributes: Any) -> str:
        name = next(self.names)
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        self.values[name] = tuple(n if isinstance(n, Symbol) else int(n) for n in shape)
        return name

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def axis(self, shape: Shape, least: int) -> int | None:
        """A fixed axis of at least so many elements."""
        found = [a for a, n in enumerate(shape) if is_fixed(n) and n >= least]
        return self.pick(found) if found else None

    # -- operators that the fixed graphs have too --------------------------------------------------------------------

    def make_binary(self) -> None:
        x = self.source()
        shape = self.values[x]
        other = self.source(lambda s: s == shape)
        if self.random.random() < 0.5:
            kept = [n if is_fixed(n) and self.random.random() < 0.6 else 1 for n in shape]
            other = self.constant(self.random.standard_normal(kept).astype(np.float32))
        self.add(self.pick(BINARY), [x, other] if self.random.random() < 0.7 else [other, x], shape)

    def make_reshape(self) -> None:
        """Axes become one; or one of 1 comes in front or at the end."""
        x = self.source()
        shape = self.values[x]
        if self.random.random() < 0.4 and len(shape) < 5:
            front = self.random.random() < 0.5
            self.add("Unsqueeze", [x, self.integers(0 if front else -1)], (1, *shape) if front else (*shape, 1))
            return
        first = int(self.random.integers(len(shape)))
        last = int(self.random.integers(first, len(shape)))
        rest = shape[last + 1 :]
        if is_fixed(*rest):
            merged = self.product(shape[first : last + 1])
            target = self.integers(*[0] * first, -1, *rest)
            self.add("Reshape", [x, target], (*shape[:first], merged, *rest))

    @staticmethod
    def product(sizes: Shape) -> int:
        real = [n for n in sizes if not (is_fixed(n) and n == 1)]
        if is_fixed(*real):
            return count(real)
        names = sorted(n.name if isinstance(n, Symbol) else str(n) for n in real)
        return real[0] if len(real) == 1 else Symbol(count(real), "*".join(names))

    def make_slice(self) -> None:
        x = self.source()
        shape = self.values[x]
        a = int(self.random.integers(len(shape)))
        step = self.pick((1, 1, 2, -1))
        start = -1 if step < 0 else int(shape[a] > 2)
        kept = len(range(int(shape[a]))[start::step])
        size = shape[a] if kept == int(shape[a]) else derived(shape[a], kept, f"[{start}::{step}]")
        where = [self.integers(v) for v in (start, 2**62 if step > 0 else -(2**62), a, step)]
        self.add("Slice", [x, *where], (*shape[:a], size, *shape[a + 1 :]))

    def make_concat(self) -> None:
        x = self.source()
        shape = self.values[x]
        a = int(self.random.integers(len(shape)))
        without = lambda s: (*s[:a], *s[a + 1 :])
        others = [n for n, s in self.values.items() if len(s) == len(shape) and without(s) == without(shape)]
        parts = [x, *(self.pick(others) for _ in range(self.pick((1, 1, 2))))]
        sizes = [self.values[part][a] for part in parts]
        names = "+".join(n.name if isinstance(n, Symbol) else str(n) for n in sizes)
        total = sum(map(int, sizes))
        new = (*shape[:a], total if is_fixed(*sizes) else Symbol(total, names), *shape[a + 1 :])
        if count(new) <= MOST_ELEMENTS:
            self.add("Concat", parts, new, axis=a)

    def make_norm(self) -> None:
        x = self.source(lambda s: is_fixed(s[-1]) and s[-1] >= 5)
        if x is not None:
            self.normalize(x)

    def make_product(self) -> None:
        x = self.source(lambda s: is_fixed(s[-1]))
        if x is not None:
            shape, width = self.values[x], int(self.random.integers(1, 40))
            y = self.add("MatMul", [x, self.weights(shape[-1], width)], (*shape[:-1], width))
            self.add(self.pick(UNARY), [self.add("Add", [y, self.weights(width)], self.values[y])], self.values[y])

    def make_conv(self) -> None:
        x = self.source(lambda s: len(s) == 4 and is_fixed(s[1]))
        if x is None:
            return
        n, c, *image = self.values[x]
        k, stride = self.pick([k for k in (1, 3) if k <= min(image) + 2]), self.pick((1, 1, 2))
        pad = k // 2
        out = [e if stride == 1 else derived(e, (int(e) + 2 * pad - k) // stride + 1, f"|{k},{stride}") for e in image]
        group = c if self.random.random() < 0.2 else 1
        o = c if group > 1 else int(self.random.integers(1, 40))
        if count((n, o, *out)) <= MOST_ELEMENTS:
            inputs = [x, self.weights(o, c // group, k, k), self.weights(o)]
            sizes = {"kernel_shape": [k, k], "strides": [stride] * 2, "pads": [pad] * 4, "group": group}
            self.add("Conv", inputs, (n, o, *out), **sizes)

    def make_pool(self) -> None:
        x = self.source(lambda s: len(s) == 4 and min(s[2:]) >= 2)
        if x is not None:
            n, c, *image = self.values[x]
            out = [derived(e, int(e) // 2, "|2,2") for e in image]
            self.add(self.pick(("MaxPool", "AveragePool")), [x], (n, c, *out), kernel_shape=[2, 2], strides=[2, 2])

    # -- further operators ----------------------------------------------------------------------------------------

    def make_gather(self) -> None:
        x = self.source()
        shape = self.values[x]
        if (a := self.axis(shape, 1)) is not None:
            at = self.random.integers(-shape[a], shape[a], self.pick((1, 3)))
            self.add("Gather", [x, self.integers(*at)], (*shape[:a], len(at), *shape[a + 1 :]), axis=a)

    def make_split(self) -> None:
        """Both parts are used, or joined again the other way round."""
        x = self.source(lambda s: any(is_fixed(n) and n >= 2 for n in s))
        if x is None:
            return
        shape = self.values[x]
        a = self.axis(shape, 2)
        sizes = [cut := int(self.random.integers(1, shape[a])), shape[a] - cut]
        names = [next(self.names), next(self.names)]
        self.nodes.append(helper.make_node("Split", [x, self.integers(*sizes)], names, axis=a))
        self.values.update({name: (*shape[:a], n, *shape[a + 1 :]) for name, n in zip(names, sizes)})
        if self.random.random() < 0.5:
            self.add("Concat", names[::-1], shape, axis=a)

    def make_pad(self) -> None:
        x = self.source()
        shape = self.values[x]
        around = [int(n) if self.random.random() < 0.4 else 0 for n in self.random.integers(0, 3, 2 * len(shape))]
        more = [sum(around[a :: len(shape)]) for a in range(len(shape))]
        new = tuple(derived(n, int(n) + m, f"+{m}") if m else n for n, m in zip(shape, more))
        if count(new) <= MOST_ELEMENTS:
            self.add("Pad", [x, self.integers(*around)], new, mode=self.pick(("constant", "edge")))

    def make_expand(self) -> None:
        """To the shape of another value, which the graph asks for."""
        x = self.source(lambda s: any(is_fixed(n) and n == 1 for n in s))
        if x is None:
            return
        shape = self.values[x]
        fits = lambda s: len(s) == len(shape) and all(a == b or (is_fixed(a) and a == 1) for a, b in zip(shape, s))
        target, name = self.source(fits), next(self.names)
        self.nodes.append(helper.make_node("Shape", [target], [name]))
        self.add("Expand", [x, name], self.values[target])

    def make_heads(self) -> None:
        """Attention, as exporters write it."""
        x = self.source(lambda s: len(s) == 3 and is_fixed(s[2]))
        if x is None:
            return
        b, s, c = self.values[x]
        heads, width = self.pick(((1, 8), (2, 4), (3, 5)))
        parts = []
        for order, shape in (((0, 2, 1, 3), (s, width)), ((0, 2, 3, 1), (width, s)), ((0, 2, 1, 3), (s, width))):
            y = self.add("MatMul", [x, self.weights(c, heads * width)], (b, s, heads * width))
            y = self.add("Reshape", [y, self.integers(0, 0, heads, width)], (b, s, heads, width))
            parts.append(self.add("Transpose", [y], (b, heads, *shape), perm=order))
        scores = self.add("MatMul", parts[:2], (b, heads, s, s))
        weights = self.add("Softmax", [scores], (b, heads, s, s), axis=-1)
        y = self.add("MatMul", [weights, parts[2]], (b, heads, s, width))
        y = self.add("Transpose", [y], (b, s, heads, width), perm=[0, 2, 1, 3])
        self.add("Reshape", [y, self.integers(0, 0, heads * width)], (b, s, heads * width))

    def make_if(self) -> None:
        """By an input's largest element; both sides read what lies outside."""
        x = self.source(lambda s: is_fixed(s[-1]))
        if x is None or self.random.random() < 0.5:
            return
        shape, width = self.values[x], int(self.random.integers(1, 20))
        largest, flag = next(self.names), next(self.names)
        self.nodes.append(helper.make_node("ReduceMax", [next(iter(self.inputs))], [largest], keepdims=0))
        self.nodes.append(helper.make_node("Greater", [largest, self.constant(np.float32(1.5))], [flag]))
        sides = []
        for op in ("Sigmoid", "Identity"):
            inner, result = next(self.names), next(self.names)
            nodes = [helper.make_node("MatMul", [x, self.weights(shape[-1], width)], [inner])]
            nodes.append(helper.make_node(op, [inner], [result]))
            sides.append(helper.make_graph(nodes, op, [], [self.info(result, unnamed((*shape[:-1], width)))]))
        self.add("If", [flag], (*shape[:-1], width), then_branch=sides[0], else_branch=sides[1])


def unnamed(shape: Shape) -> list[int | None]:
    return [None if isinstance(n, Symbol) else n for n in shape]
