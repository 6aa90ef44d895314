"""Run a lowered Program with numpy alone: an independent meaning of every task, for tests of lowering.

Slow and plain: whole index grids, one storage one flat array.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from burnish.dims import Dim, evaluate
from burnish.dtypes import DType
from burnish.index_check import IndexCheck
from burnish.kernels.slot import Slot
from burnish.kernels.strips import Between
from burnish.kernels.task import Branch, Chain, Contraction, Launch, Loops, Program, ReferenceStep, Store, Term
from burnish.ops.language.expr import Axis, Expr
from burnish.requirement import Requirement

Array = np.ndarray[Any, Any]
_erf = np.vectorize(math.erf, otypes=[np.float64])


class Run:
    def __init__(self, program: Program, inputs: Mapping[str, Array], symbols: Mapping[str, int]) -> None:
        self.program, self.symbols = program, dict(symbols)
        self.memory: dict[int, Array] = {}
        for storage in program.storages:
            if storage.number in program.constants:
                self.memory[storage.number] = np.frombuffer(
                    program.constants[storage.number].tobytes(), np.uint8
                ).copy()
            elif storage.kind != "dynamic":
                self.memory[storage.number] = self.zeros(storage.size_bytes)
                self.memory[storage.number][:] = program.fills.get(storage.number, 0)
        for ref in program.inputs:
            raw = np.ascontiguousarray(inputs[ref.name]).view(np.uint8).reshape(-1)
            self.memory[ref.storage][: raw.size] = raw

    def zeros(self, size: Dim) -> Array:
        return np.zeros(max(evaluate(size, self.symbols), 1), np.uint8)

    def run(self) -> dict[str, Array]:
        self.steps(self.program.steps)
        return {
            r.name: self.tensor(r.storage, r.dtype, [evaluate(n, self.symbols) for n in r.shape]).copy()
            for r in self.program.outputs
        }

    def tensor(self, storage: int, dtype: DType, shape: list[int]) -> Array:
        count = math.prod(shape)
        raw = self.storage(storage)[: count * dtype.size_bytes]
        return raw.view(dtype.numpy).reshape(shape)

    def storage(self, number: int) -> Array:
        if number not in self.memory:
            self.memory[number] = self.zeros(self.program.storages[number].size_bytes)
        return self.memory[number]

    def steps(self, steps: Any) -> None:
        for step in steps:
            if isinstance(step, Launch):
                self.launch(step)
            elif isinstance(step, ReferenceStep):
                self.reference(step)
            elif not isinstance(step, Requirement | IndexCheck):  # what the runtime asks before and after a run
                assert isinstance(step, Branch)
                flag = self.storage(step.condition.storage)[evaluate(step.condition.offset, self.symbols)]
                self.steps(step.then if flag else step.otherwise)

    def reference(self, step: ReferenceStep) -> None:
        evaluator = ReferenceEvaluator(onnx.load_from_string(step.model))
        feeds = {
            r.name: self.tensor(r.storage, r.dtype, [evaluate(n, self.symbols) for n in r.shape]) for r in step.inputs
        }
        for ref, value in zip(step.outputs, evaluator.run(None, feeds)):
            value = np.asarray(value)
            for n, size in zip(ref.shape, value.shape):
                if not isinstance(n, int) and str(n) not in self.symbols:
                    self.symbols[str(n)] = size
            raw = np.ascontiguousarray(value).view(np.uint8).reshape(-1)
            self.memory[ref.storage] = raw.copy() if raw.size else np.zeros(1, np.uint8)

    # ---- kernels ------------------------------------------------------------------------------------------------

    def launch(self, launch: Launch) -> None:
        kernel = launch.kernel
        flats = [
            (self.storage(b.storage), evaluate(b.offset, self.symbols) * s.dtype.size_bytes, s)
            for b, s in zip(launch.bindings, kernel.slots)
        ]
        views = [_typed(raw, start, slot) for raw, start, slot in flats]
        self.kernel(kernel, views)

    def kernel(self, kernel: Any, views: list[tuple[Array, int]]) -> None:
        if isinstance(kernel, Loops):
            for store in kernel.stores:
                self.store(store, list(kernel.domain), views, {})
        elif isinstance(kernel, Contraction):
            self.contraction(kernel, views)
        elif isinstance(kernel, Chain):
            self.chain(kernel, views)
        else:
            raise TypeError(type(kernel).__name__)

    def chain(self, kernel: Chain, views: list[tuple[Array, int]]) -> None:
        """Every stage on every strip, whose intermediates are NaN but for their pads when it begins."""
        for at in np.ndindex(*(evaluate(s.count, self.symbols) for s in kernel.strips)):
            begins = [min(i * s.size, evaluate(s.last, self.symbols)) for i, s in zip(at, kernel.strips)]
            for rows in kernel.rows:
                begins.append(min(max(begins[rows.of] * rows.step + rows.first, 0), rows.last))
            between = [_fresh(b) for b in kernel.between]
            for stage in kernel.stages:
                parts = []
                for part, slot in zip(stage.parts, stage.kernel.slots):
                    moves = [evaluate(m, self.symbols) for m in (part.offset, *part.moves)]
                    offset = moves[0] + sum(b * m for b, m in zip(begins, moves[1:], strict=True))
                    if part.slot >= 0:
                        array, start = views[part.slot]
                    else:
                        array, start = between[-1 - part.slot].view(slot.dtype.numpy), 0
                    parts.append((array, start + offset))
                self.kernel(stage.kernel, parts)

    def store(self, store: Store, domain: list[Axis], views: list[tuple[Array, int]], accs: dict[int, Array]) -> None:
        axes = {a: i for i, a in enumerate(domain)}
        index = self.value(store.index[0], axes, views, accs)
        value = self.value(store.value, axes, views, accs)
        array, start = views[store.slot]
        shape = tuple(self.extent(a) for a in domain)
        array[np.broadcast_to(index, shape) + start] = np.broadcast_to(value, shape).astype(array.dtype)

    def extent(self, a: Axis) -> int:
        return evaluate(a.extent, self.symbols)

    def contraction(self, kernel: Contraction, views: list[tuple[Array, int]]) -> None:
        acc = sum(self.term(kernel, term, views) for term in kernel.terms)
        if not kernel.slots[0].dtype.is_float:
            acc = acc.astype(np.int64).astype(np.int32)
        elif kernel.slots[0].dtype is not DType.F64:
            acc = acc.astype(np.float32)
        for store in kernel.stores:
            self.store(store, [*kernel.pixels, kernel.n], views, {0: acc})

    def term(self, kernel: Contraction, term: Term, views: list[tuple[Array, int]]) -> Array:
        """One product of the sum, in f64."""
        axes = [*kernel.pixels, kernel.n, *term.reduce]
        grid = {a: _range(i, len(axes), self.extent(a)) for i, a in enumerate(axes)}

        def operand(which: int, strides: Any) -> Array:
            array, start = views[which]
            at: Any = start
            for a, s in strides:
                at = at + grid[a] * evaluate(s, self.symbols)
            return array[np.broadcast_to(at, np.broadcast_shapes(*(np.shape(at),), (1,) * len(axes)))]

        def windowed(strides: Any) -> Array:
            """A, zero where a window ends."""
            (array, start), inside = views[term.a], np.ones((1,) * len(axes), bool)
            at: Any = start
            for a, s in strides:
                at = at + grid[a] * evaluate(s, self.symbols)
            for w in term.windows:
                place = sum((grid[a] * step for a, step in w.steps), start=np.asarray(w.first))
                inside = inside & (place >= 0) & (place < evaluate(w.extent, self.symbols))
                at = at + w.first * evaluate(w.stride, self.symbols)
            return np.where(inside, array[np.where(inside, at, start)], 0)

        def blocked() -> Array:
            """(code - zero) * scale"""
            (k,), n, blocks = term.reduce, kernel.n, kernel.blocks
            assert blocks is not None
            codes = operand(term.b, term.b_strides).astype(np.int64)
            at = grid[k] // blocks.size * self.extent(n) + grid[n]
            scale = views[blocks.scale][0][views[blocks.scale][1] + at].astype(np.float64)
            if blocks.zero is None:
                half = 1 << (blocks.bits - 1)
                return ((codes ^ half) - half) * scale
            return (codes - views[blocks.zero][0][views[blocks.zero][1] + at].astype(np.float64)) * scale

        product = windowed(term.a_strides) if term.windows else operand(term.a, term.a_strides)
        product = product.astype(np.float64)
        product = product * (operand(term.b, term.b_strides) if kernel.blocks is None else blocked()).astype(np.float64)
        lead = len(kernel.pixels) + 1
        full = np.broadcast_to(product, tuple(self.extent(a) for a in axes))
        return np.asarray(full.sum(axis=tuple(range(lead, len(axes)))))

    def value(self, e: Expr, axes: dict[Axis, int], views: list[tuple[Array, int]], accs: dict[int, Array]) -> Array:
        """An array of rank len(axes) (or 0 where nothing depends on them)."""
        done: dict[Expr, Array] = {}

        def visit(node: Expr) -> Array:
            if node not in done:
                if node.op == "reduce":
                    done[node] = self.reduction(node, axes, views, accs)
                else:
                    args = [visit(a) for a in node.args]
                    done[node] = _apply(node, args, axes, views, accs, self.symbols, self.extent)
            return done[node]

        return visit(e)

    def reduction(self, node: Expr, axes: dict[Axis, int], views: Any, accs: dict[int, Array]) -> Array:
        kind, over = node.attr
        wider = dict(axes) | {a: len(axes) + i for i, a in enumerate(over)}
        inner_accs = {k: v.reshape(*v.shape, *(1,) * len(over)) for k, v in accs.items()}
        inner = self.value(node.args[0], wider, views, inner_accs)
        if inner.ndim < len(wider):
            inner = np.broadcast_to(inner, (1,) * len(wider))
        full = np.broadcast_to(inner, inner.shape[: len(axes)] + tuple(self.extent(a) for a in over))
        ufunc = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}[kind]
        identity = {} if kind in ("sum", "prod") else {"initial": _identity(kind, full.dtype)}
        return np.asarray(ufunc.reduce(full, axis=tuple(range(len(axes), len(wider))), **identity))


def _fresh(between: Between) -> Array:
    """Bytes of NaN, whatever float they are, and the pads."""
    found = np.full(between.size_bytes, 0xFF, np.uint8)
    for pads in between.pads:
        for n in range(pads.count):
            start = pads.start + n * pads.step_bytes
            assert start + pads.size_bytes <= between.size_bytes
            found[start : start + pads.size_bytes] = between.fill
    return found


def _identity(kind: str, dtype: Any) -> Any:
    info = np.iinfo(dtype) if np.issubdtype(dtype, np.integer) else None
    if kind == "max":
        return info.min if info else -np.inf
    return info.max if info else np.inf


def _apply(
    node: Expr, args: list[Array], axes: dict[Axis, int], views: Any, accs: Any, symbols: Mapping[str, int], extent: Any
) -> Array:
    if node.op == "const":
        return np.asarray(node.attr, dtype=node.dtype.numpy)
    if node.op == "axis":
        return _range(axes[node.attr], len(axes), extent(node.attr))
    if node.op == "dim":
        return np.asarray(evaluate(node.attr, symbols))
    if node.op == "acc":
        return accs[node.attr]
    if node.op == "load":
        array, start = views[node.attr]
        return array[args[0] + start]
    if node.op == "cast":
        return args[0].astype(node.dtype.numpy)
    return np.asarray(_POINTWISE[node.op](*args)).astype(node.dtype.numpy)


def _truncate(a: Array, b: Array) -> Array:
    if np.issubdtype(a.dtype, np.floating):
        return a / b
    return (np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))).astype(a.dtype)


_POINTWISE: dict[str, Any] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": _truncate, "floordiv": np.floor_divide, "mod": np.mod,
    "unfused_mul": np.multiply,
    "fmod": np.fmod, "pow": np.power, "max": np.maximum, "min": np.minimum, "eq": np.equal, "ne": np.not_equal,
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "and": np.logical_and,
    "or": np.logical_or, "xor": np.logical_xor, "not": np.logical_not, "neg": np.negative, "abs": np.abs,
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "reciprocal": lambda x: 1 / x, "floor": np.floor, "ceil": np.ceil,
    "round": np.rint, "trunc": np.trunc, "tanh": np.tanh, "erf": _erf, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "where": np.where, "sign": np.sign, "isnan": np.isnan, "isinf": np.isinf,
    "log1p": np.log1p, "expm1": np.expm1, "atan": np.arctan,
    "gelu": lambda x: x * 0.5 * (1 + _erf(x * np.sqrt(0.5))),
}  # fmt: skip


def _range(position: int, rank: int, extent: int) -> Array:
    return np.arange(extent).reshape([-1 if i == position else 1 for i in range(rank)])


def _typed(raw: Array, start: int, slot: Slot) -> tuple[Array, int]:
    size = slot.dtype.size_bytes
    usable = raw.size // size * size
    assert start % size == 0
    return raw[:usable].view(slot.dtype.numpy), start // size
