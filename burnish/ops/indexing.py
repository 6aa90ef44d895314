"""Elements chosen by an index that is itself data: Gather and similar operators.

An index out of range is not valid ONNX. Kernels move it to the nearest valid one, so no kernel reads outside a
tensor, and the run is refused (agreement.inside).
Where the indexes are known and evenly spaced, Gather is a View.
"""

from __future__ import annotations

import itertools
import math

from burnish.dims import Dim, DimExpr, product
from burnish.dtypes import DType
from burnish.ops.agreement import agree, agree_at, inside, inside_range, not_empty, scalar
from burnish.ops.arguments import axis_in, elements_of
from burnish.ops.language.definition import Compute, Index, NodeView, Tensor, View
from burnish.ops.language.expr import Expr, binary, cast, where
from burnish.ops.language.ordering import from_end, is_at_least, limits
from burnish.ops.registry import Misfit, Undefined, operator


def position(index: Expr, extent: Dim) -> Expr:
    """The position inside the axis of an index that counts from the end if it is negative."""
    i = cast(index, DType.I64)
    i = where(binary("lt", i, 0), i + extent, i) if i.op != "const" or i.attr < 0 else i
    return binary("max", binary("min", i, extent - 1), 0)


@operator("Gather")
def gather(node: NodeView) -> View | Compute:
    """out[a..., j..., b...] = x[a..., indices[j...], b...]"""
    x, indices = node.tensor(0), node.tensor(1)
    axis = axis_in(node.attr("axis", 0), x.rank)
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    after = axis + indices.rank
    not_empty(x, axis, product(indices.shape))
    even = _evenly_spaced(indices, x.shape[axis])
    if even is not None:
        start, steps = even

        def affine(i: Index) -> list[Expr | Dim]:
            chosen: Expr | Dim = start
            for own, step in zip(i[axis:after], steps):
                chosen = own * step + chosen
            return [*i[:axis], chosen, *i[after:]]

        return View(x, shape, affine)
    inside(indices, x, axis)

    def body(i: Index) -> Expr:
        chosen = position(indices[i[axis:after]], x.shape[axis])
        return x[[*i[:axis], chosen, *i[after:]]]

    return Compute(x.dtype, shape, body)


def _evenly_spaced(indices: Tensor, extent: Dim) -> tuple[Dim, tuple[int, ...]] | None:
    """(start, a step for each axis) of known indexes that all lie inside the axis; windows overlap: start + i + j."""
    if not indices.elements or not all(isinstance(e, int | DimExpr) for e in indices.elements):
        return None
    elements = [from_end(e, extent) for e in indices.elements]
    if isinstance(extent, int) and not all(isinstance(e, int) and 0 <= e < extent for e in elements):
        return None
    if not all(is_at_least(extent, e) and is_at_least(e, -1) for e in elements):
        return None
    sizes = [d for d in indices.shape if isinstance(d, int)]
    pitches = [math.prod(sizes[n + 1 :]) for n in range(len(sizes))]
    steps = [elements[p] - elements[0] if size > 1 else 1 for size, p in zip(sizes, pitches)]
    known = tuple(s for s in steps if isinstance(s, int))
    if len(known) != indices.rank:
        return None
    for place, element in zip(itertools.product(*map(range, sizes)), elements):
        if element - elements[0] != sum(n * s for n, s in zip(place, known)):
            return None
    return elements[0], known


@operator("GatherElements")
def gather_elements(node: NodeView) -> Compute:
    x, indices = node.tensor(0), node.tensor(1)
    axis = axis_in(node.attr("axis", 0), x.rank)
    if indices.rank != x.rank:
        raise Misfit(f"indices of rank {indices.rank} for a tensor of rank {x.rank}")
    for a in range(x.rank):
        if a != axis:
            agree_at(indices, a, x, a, "at_most")
    not_empty(x, axis, product(indices.shape))
    inside(indices, x, axis)

    def body(i: Index) -> Expr:
        chosen = position(indices[i], x.shape[axis])
        return x[[*i[:axis], chosen, *i[axis + 1 :]]]

    return Compute(x.dtype, indices.shape, body)


@operator("GatherND")
def gather_nd(node: NodeView) -> Compute:
    """The last axis of the indexes is a point in the axes of x that follow the batch axes."""
    x, indices = node.tensor(0), node.tensor(1)
    batch, depth = node.attr("batch_dims", 0), indices.shape[-1]
    if not isinstance(depth, int):
        depth = _coordinates(node, x, indices, batch)
    if batch + depth > x.rank:
        raise Misfit(f"points of {depth} coordinates in a tensor of rank {x.rank}")
    for a in range(batch):
        agree_at(indices, a, x, a)
    for a in range(batch, batch + depth):
        not_empty(x, a, product(indices.shape[:-1]))
    for n in range(depth):
        inside(indices, x, batch + n, n)
    outer = indices.rank - 1

    def body(i: Index) -> Expr:
        point = [position(indices[[*i[:outer], n]], x.shape[batch + n]) for n in range(depth)]
        return x[[*i[:batch], *point, *i[outer:]]]

    return Compute(x.dtype, (*indices.shape[:-1], *x.shape[batch + depth :]), body)


def _coordinates(node: NodeView, x: Tensor, indices: Tensor, batch: int) -> int:
    """The number of coordinates of the points, if only the rank of the output tells it."""
    low, high = limits(indices.shape[-1])
    declared = next(iter(node.output_ranks), None)
    if declared is not None:
        depth = indices.rank - 1 + x.rank - batch - declared
    elif max(low, 1) == min(high, x.rank - batch):
        depth = max(low, 1)
    else:
        raise Undefined("GatherND at points of a symbolic number of coordinates")
    agree(indices.shape[-1], depth, f"the coordinates of a point in '{indices.name}' and those the output's rank tells")
    return depth


@operator("OneHot")
def one_hot(node: NodeView) -> Compute:
    """on where the new axis equals the index, off elsewhere (everywhere, for an index out of range)."""
    indices, depth, values = (node.tensor(i) for i in range(3))
    extent = elements_of(depth, "OneHot")[0]
    extent = int(extent) if isinstance(extent, float) else extent
    axis = axis_in(node.attr("axis", -1), indices.rank + 1)
    agree(values.shape[0] if values.rank == 1 else values.rank, 2, f"the length of '{values.name}' and 2")

    def body(i: Index) -> Expr:
        index = cast(indices[[*i[:axis], *i[axis + 1 :]]], DType.I64)
        wrapped = where(binary("lt", index, 0), index + extent, index)
        return where(binary("eq", wrapped, i[axis]), values[(1,)], values[(0,)])

    return Compute(values.dtype, (*indices.shape[:axis], extent, *indices.shape[axis:]), body)


@operator("ReverseSequence")
def reverse_sequence(node: NodeView) -> Compute:
    x, lengths = node.tensor(0), node.tensor(1)
    batch, time = node.attr("batch_axis", 1), node.attr("time_axis", 0)
    agree_at(lengths, 0, x, batch)
    inside_range(lengths, 0, x.shape[time], f"lengths '{lengths.name}' of axis {time} of '{x.name}'")

    def body(i: Index) -> Expr:
        length = cast(lengths[(i[batch],)], DType.I64)
        mirrored = binary("max", length - 1 - i[time], 0)
        chosen = where(binary("lt", i[time], length), mirrored, i[time])
        return x[[chosen if a == time else v for a, v in enumerate(i)]]

    return Compute(x.dtype, x.shape, body)


@operator("Trilu")
def trilu(node: NodeView) -> Compute:
    """Keep j - i >= k (upper) or <= k of every matrix; zeros elsewhere."""
    x, k = node.tensor(0), node.optional(1)
    comparison = "ge" if node.attr("upper", 1) else "le"
    diagonal = 0 if k is None else scalar(k)

    def body(i: Index) -> Expr:
        return where(binary(comparison, i[-1] - i[-2], diagonal), x[i], 0)

    return Compute(x.dtype, x.shape, body)
