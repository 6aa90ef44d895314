"""The loop structure of a contraction: its axes grouped, and merged into as few runs as memory allows.

    groups   pixel axes that B depends on (batch, group): one small product after the other
    pixels   the other pixel axes; the rows of the register tile cover one of them
    reduce   the axes summed over

Axes of extent 1 vanish. Two neighbouring axes are one *run* when every address is as linear in the run's counter as
in the axes themselves: in A, in B and in every slot the epilogue touches (merge_axes.py). So a 1x1 convolution becomes
one long run of pixels. A 3x3 one over channels-last memory reduces over (r, s*c).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from burnish.dims import Dim, product
from burnish.dtypes import DType
from burnish.kernels.merge_axes import Walks, walks_of
from burnish.kernels.task import Contraction
from burnish.ops.language.expr import Axis, walk


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
    pixels = [x for x in kernel.pixels if x.extent != 1]
    own_b = [] if term.packed else [b]
    stored = walks_of(kernel.slots, kernel.stores)
    windowed = frozenset(x for t in kernel.terms for w in t.windows for x, _ in w.steps)
    output = Walks([*stored.strides, *(dict(t.a_strides) for t in kernel.terms), *own_b], stored.as_numbers | windowed)
    sums = Walks([a, *own_b], windowed)

    def runs(walks: Walks, axes: Iterable[Axis]) -> tuple[Run, ...]:
        return tuple(Run(r, product(x.extent for x in r), a.get(r[-1], 0), b.get(r[-1], 0)) for r in walks.runs(axes))

    return Shape(
        groups=runs(output, (x for x in pixels if b.get(x, 0) != 0)),
        pixels=runs(output, (x for x in pixels if b.get(x, 0) == 0)),
        reduce=runs(sums, (x for x in term.reduce if x.extent != 1)),
        n=kernel.n,
        n_stride=b.get(kernel.n, 0),
        ones=tuple(x for x in (*kernel.pixels, *term.reduce) if x.extent == 1),
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
