"""The loop structure of a contraction: its axes grouped, and merged into as few runs as memory allows.

    groups   pixel axes that B depends on (batch, group): one small product after the other
    pixels   the other pixel axes; the rows of the register tile cover one of them
    reduce   the axes summed over

Axes of extent 1 vanish. Two neighbouring axes are one *run* when every address is as linear in the run's counter as
in the axes themselves: stride(outer) == extent(inner) * stride(inner) in A, in B and in every slot the epilogue
touches. So a 1x1 convolution becomes one long run of pixels. A 3x3 one over channels-last memory reduces over (r, s*c).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from burnish.dims import Dim, product
from burnish.dtypes import DType
from burnish.kernels.task import Contraction, Slot
from burnish.ops.language.expr import Axis, Expr, free_axes, linear, walk


@dataclass(frozen=True, slots=True)
class Run:
    """One counter for one or more axes, 0 <= counter < extent; strides in elements of A and of B.

    The innermost axis takes the counter's value, the others 0. Addresses are linear, so they are still correct.
    """

    axes: tuple[Axis, ...]
    extent: Dim
    a_stride: Dim
    b_stride: Dim


@dataclass(frozen=True, slots=True)
class Shape:
    """The runs of a contraction. `ones`: axes of extent 1, bound to 0. `accumulator`: the dtype of the sums."""

    groups: tuple[Run, ...]
    pixels: tuple[Run, ...]
    reduce: tuple[Run, ...]
    n: Axis
    n_stride: Dim
    ones: tuple[Axis, ...]
    accumulator: DType

    @property
    def depth(self) -> Dim:
        """K, the number of products summed."""
        return product(r.extent for r in self.reduce)

    @property
    def group_count(self) -> Dim:
        return product(r.extent for r in self.groups)


def analyse(kernel: Contraction, number: int = 0) -> Shape:
    """The runs of one product of a kernel, outer to inner. Pixels and groups are split the same way for all products.

    In a packed kernel B's own strides only say which pixel axes B depends on: packing gives B a new layout.
    """
    term = kernel.terms[number]
    a, b = dict(term.a_strides), dict(term.b_strides)
    operands = [dict(t.a_strides) for t in kernel.terms]
    every = (*kernel.pixels, *term.reduce)
    ones = tuple(x for x in every if x.extent == 1)
    pixels = [x for x in kernel.pixels if x.extent != 1]
    addresses = tuple(_addresses(kernel))
    mixed = _used_as_numbers(kernel) | {x for t in kernel.terms for w in t.windows for x, _ in w.steps}

    def run(x: Axis) -> Run:
        return Run((x,), x.extent, a.get(x, 0), b.get(x, 0))

    def joins_pixels(outer: Run, inner: Run) -> bool:
        x, y = outer.axes[-1], inner.axes[-1]
        flat = all(form.get(x, 0) == inner.extent * form.get(y, 0) for form in (*addresses, *operands))
        return flat and not mixed & {x, y} and _flat(outer, inner, packed=term.packed and outer.b_stride != 0)

    def joins_reduce(outer: Run, inner: Run) -> bool:
        return not mixed & {outer.axes[-1], inner.axes[-1]} and _flat(outer, inner, packed=term.packed)

    return Shape(
        groups=_merge([run(x) for x in pixels if b.get(x, 0) != 0], joins_pixels),
        pixels=_merge([run(x) for x in pixels if b.get(x, 0) == 0], joins_pixels),
        reduce=_merge([run(x) for x in term.reduce if x.extent != 1], joins_reduce),
        n=kernel.n,
        n_stride=b.get(kernel.n, 0),
        ones=ones,
        accumulator=accumulator_dtype(kernel),
    )


def accumulator_dtype(kernel: Contraction) -> DType:
    """The dtype of acc(0). If no store uses acc(0), the dtype to which A is widened."""
    for store in kernel.stores:
        for node in walk(store.value):
            if node.op == "acc":
                return node.dtype
    a = kernel.slots[0].dtype
    if a.is_float:
        return DType.F64 if a is DType.F64 else DType.F32
    return DType.I32 if a.size_bytes < 4 else a


def _merge(runs: Sequence[Run], joins: Callable[[Run, Run], bool]) -> tuple[Run, ...]:
    merged: list[Run] = []
    for run in runs:
        while merged and joins(merged[-1], run):
            outer = merged.pop()
            run = Run(outer.axes + run.axes, outer.extent * run.extent, run.a_stride, run.b_stride)
        merged.append(run)
    return tuple(merged)


def _flat(outer: Run, inner: Run, packed: bool) -> bool:
    in_a = outer.a_stride == inner.extent * inner.a_stride
    return in_a and (packed or outer.b_stride == inner.extent * inner.b_stride)


def _addresses(kernel: Contraction) -> Iterator[dict[Axis, Dim]]:
    """For every access of the epilogue, the stride of each axis; non-linear indexes are left to `_used_as_numbers`."""
    for store in kernel.stores:
        yield _strides(kernel.slots[store.slot], store.index)
        for node in walk(store.value):
            if node.op == "load":
                yield _strides(kernel.slots[node.attr], node.args)


def _strides(slot: Slot, index: Sequence[Expr]) -> dict[Axis, Dim]:
    total: dict[Axis, Dim] = {}
    for i, stride in zip(index, slot.strides):
        form = linear(i)
        for x, coefficient in (form.coefficients if form else {}).items():
            total[x] = total.get(x, 0) + coefficient * stride
    return total


def _used_as_numbers(kernel: Contraction) -> frozenset[Axis]:
    """Axes whose value is used for more than a linear address: in gathers, or compared with a position."""
    found: set[Axis] = set()
    seen: set[int] = set()

    def visit(node: Expr) -> None:
        if id(node) in seen:
            return
        seen.add(id(node))
        if node.op == "axis":
            found.add(node.attr)
        for child in node.args:
            if node.op != "load":
                visit(child)
            elif linear(child) is None:
                found.update(free_axes(child))

    for store in kernel.stores:
        visit(store.value)
        for i in store.index:
            if linear(i) is None:
                found.update(free_axes(i))
    return frozenset(found)
