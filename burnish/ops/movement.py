"""The same elements elsewhere: transpose, reshape, slice, split, concat, expand, tile, pad, blocks of depth and space.

If each index is affine, the definition is a View (or Reshape, or Concat), and lowering can place it without a copy.
"""

from __future__ import annotations

from burnish.dims import Dim, ceildiv, floordiv, format_shape, product
from burnish.dtypes import DType
from burnish.ops.agreement import agree, agree_at, not_empty, scalar
from burnish.ops.arguments import axes_in, axis_in, dims_content, elements_of, ints_content
from burnish.ops.broadcasting import ZERO, broadcast_index, broadcast_load, broadcast_shapes, is_affine_broadcast
from burnish.ops.language.definition import Compute, Concat, Index, NodeView, Reshape, Shape, Tensor, View
from burnish.ops.language.expr import Expr, binary, const, dim, where
from burnish.ops.language.ordering import clamp, difference, from_end, is_at_least, larger, limits
from burnish.ops.registry import Misfit, Undefined, operator


@operator("Identity")
def identity(node: NodeView) -> View:
    x = node.tensor(0)
    return View(x, x.shape, lambda i: i)


@operator("Dropout")
def dropout(node: NodeView) -> tuple[View, Compute | None]:
    """Inference: the input itself, and a mask that keeps everything."""
    training = node.optional(2)
    if training is not None and elements_of(training, "Dropout")[0]:
        raise Undefined("Dropout in training mode")
    x = node.tensor(0)
    has_mask = len(node.output_names) > 1 and node.output_names[1]
    return identity(node), Compute(DType.BOOL, x.shape, lambda i: const(True, DType.BOOL)) if has_mask else None


@operator("Transpose")
def transpose(node: NodeView) -> View:
    x = node.tensor(0)
    order = [axis_in(a, x.rank) for a in node.attr("perm", tuple(reversed(range(x.rank))))]
    if sorted(order) != list(range(x.rank)):
        raise Misfit(f"perm {order} of a tensor of rank {x.rank}")
    return View(x, tuple(x.shape[a] for a in order), lambda i: [i[order.index(a)] for a in range(x.rank)])


@operator("Reshape")
def reshape(node: NodeView) -> Reshape:
    """0 keeps the axis (unless allowzero), -1 is the remaining size."""
    x, target = node.tensor(0), dims_content(node, 1, "shape")
    if target is None:
        raise Misfit("no shape is given")
    if not node.attr("allowzero", 0):
        if any(d == 0 and n >= x.rank for n, d in enumerate(target)):
            raise Misfit(f"0 in the shape beyond the input's {x.rank} axes")
        target = tuple(x.shape[n] if d == 0 else d for n, d in enumerate(target))
    return Reshape(x, resolve_shape(x.shape, target))


def resolve_shape(source: Shape, target: Shape) -> Shape:
    """Replace -1 by the remaining size of the source. Equal dims cancel first, so symbols divide."""
    given, rest = list(source), []
    for d in target:
        if d in given and d != -1:
            given.remove(d)
        elif d != -1:
            rest.append(d)
    above, below = product(given), product(rest)
    if target.count(-1) > 1:
        raise Misfit("two axes of the shape are -1")
    if -1 not in target:
        if isinstance(above, int) and isinstance(below, int) and above != below and 0 not in source:
            raise Misfit(f"{above} elements do not fit into {below}")
        if 0 not in source:
            agree(above, below, f"the elements of {format_shape(source)} and of {format_shape(target)}")
        return target
    if below == 0:
        raise Misfit("-1 beside an axis of size 0")
    if isinstance(above, int) and isinstance(below, int) and above % below:
        raise Misfit(f"{above} elements do not divide by {below}")
    agree(above, below, f"the elements of {format_shape(source)} and of {format_shape(target)}", "multiple")
    return tuple(floordiv(above, below) if d == -1 else d for d in target)


@operator("Flatten")
def flatten(node: NodeView) -> Reshape:
    x = node.tensor(0)
    axis = node.attr("axis", 1)
    axis = axis + x.rank if axis < 0 else axis
    return Reshape(x, (product(x.shape[:axis]), product(x.shape[axis:])))


@operator("Squeeze")
def squeeze(node: NodeView) -> View:
    x = node.tensor(0)
    axes = ints_content(node, 1, "axes")
    dropped = _axes_of_one(node, x) if axes is None else axes_in(axes, x.rank)
    for a in dropped:
        agree(x.shape[a], 1, f"axis {a} of '{x.name}', which is dropped, and 1")
    kept = [a for a in range(x.rank) if a not in dropped]
    return View(x, tuple(x.shape[a] for a in kept), lambda i: _scatter_axes(x.rank, kept, i))


def _axes_of_one(node: NodeView, x: Tensor) -> tuple[int, ...]:
    """What Squeeze drops without axes. Of open axes the rank that the model declares decides, else none is dropped."""
    ones = tuple(a for a in range(x.rank) if x.shape[a] == 1)
    doubtful = tuple(a for a in range(x.rank) if a not in ones and limits(x.shape[a])[0] <= 1)
    declared = next(iter(node.output_ranks), None)
    if declared is not None and declared == x.rank - len(ones) - len(doubtful):
        return tuple(sorted((*ones, *doubtful)))
    if declared not in (None, x.rank - len(ones)):
        raise Undefined("Squeeze without axes, where only the run can tell which axes are 1")
    for a in doubtful:
        agree(x.shape[a], 1, f"axis {a} of '{x.name}', which would vanish if it were 1, and 1", "above")
    return ones


@operator("Unsqueeze")
def unsqueeze(node: NodeView) -> View:
    x = node.tensor(0)
    axes = ints_content(node, 1, "axes") or ()
    rank = x.rank + len(axes)
    added = axes_in(axes, rank)
    if len(added) != len(axes):
        raise Misfit(f"axes {list(axes)} name one axis twice")
    kept = [a for a in range(rank) if a not in added]
    shape: list[Dim] = [1] * rank
    for source_axis, a in enumerate(kept):
        shape[a] = x.shape[source_axis]
    return View(x, tuple(shape), lambda i: [i[a] for a in kept])


def _scatter_axes(rank: int, kept: list[int], index: Index) -> list[Expr]:
    return [index[kept.index(a)] if a in kept else ZERO for a in range(rank)]


@operator("Slice")
def slice_(node: NodeView) -> View:
    x = node.tensor(0)
    starts, ends = dims_content(node, 1, "starts"), dims_content(node, 2, "ends")
    if starts is None or ends is None or len(starts) != len(ends):
        raise Misfit("starts and ends are not of one length")
    axes = [axis_in(a, x.rank) for a in ints_content(node, 3, "axes") or range(len(starts))]
    steps = ints_content(node, 4) or (1,) * len(starts)
    first: list[Dim] = [0] * x.rank
    step = [1] * x.rank
    shape = list(x.shape)
    for a, start, end, s in zip(axes, starts, ends, steps):
        first[a], shape[a] = _slice_range(x.shape[a], start, end, s)
        step[a] = s
    return View(x, tuple(shape), lambda i: [i[a] * step[a] + first[a] for a in range(x.rank)])


def _slice_range(extent: Dim, start: Dim, end: Dim, step: int) -> tuple[Dim, Dim]:
    """First position and number of elements, by numpy's rules."""
    if step == 0:
        raise Misfit("a step of 0")
    start, end = from_end(start, extent), from_end(end, extent)
    if step > 0:
        start, end = clamp(start, 0, extent), clamp(end, 0, extent)
        return start, larger(ceildiv(difference(end, start), step), 0)
    last = extent - 1
    start, end = clamp(start, 0, last), clamp(end, -1, last)
    return start, larger(ceildiv(difference(start, end), -step), 0)


@operator("Split")
def split(node: NodeView) -> tuple[View, ...]:
    """Split by given sizes, or into equal parts; the last part may be smaller."""
    x = node.tensor(0)
    axis = axis_in(node.attr("axis", 0), x.rank)
    extent, count = x.shape[axis], len(node.output_names)
    sizes = dims_content(node, 1, "split")
    begin: Dim = 0
    if sizes is None:
        part = ceildiv(extent, count)
        agree(part * (count - 1), extent, f"{count - 1} equal parts and axis {axis} of '{x.name}'", "at_most")
        last = extent - part * (count - 1)
        sizes = (part,) * (count - 1) + (last,)
    if len(sizes) != count or ((sum_ := sum(sizes[1:], start=sizes[0])) != extent and isinstance(sum_ - extent, int)):
        raise Misfit(f"parts {[str(s) for s in sizes]} of an axis of size {extent}")
    agree(sum_, extent, f"the sum of the parts and axis {axis} of '{x.name}'")
    parts = []
    for part_size in sizes:
        parts.append(_part(x, axis, begin, part_size))
        begin = begin + part_size
    return tuple(parts)


def _part(x: Tensor, axis: int, begin: Dim, extent: Dim) -> View:
    shape = (*x.shape[:axis], extent, *x.shape[axis + 1 :])
    return View(x, shape, lambda i: [v + begin if a == axis else v for a, v in enumerate(i)])


@operator("Concat")
def concat(node: NodeView) -> Concat:
    parts = tuple(t for t in node.inputs if t is not None)
    rank = parts[0].rank
    axis = axis_in(node.attr("axis"), rank)
    for part in parts:
        if part.rank != rank or part.dtype is not parts[0].dtype:
            raise Misfit("parts of different ranks or element types")
        if any(_clash(a, b) for n, (a, b) in enumerate(zip(part.shape, parts[0].shape)) if n != axis):
            raise Misfit(f"parts that differ on another axis than {axis}")
        for n in range(rank):
            if n != axis:
                agree_at(part, n, parts[0], n)
    total: Dim = 0
    for part in parts:
        total = total + part.shape[axis]
    shape = tuple(_known_of([p.shape[a] for p in parts]) for a in range(rank))
    return Concat(parts, axis, (*shape[:axis], total, *shape[axis + 1 :]))


def _clash(one: Dim, other: Dim) -> bool:
    return isinstance(one, int) and isinstance(other, int) and one != other


def _known_of(extents: list[Dim]) -> Dim:
    return next((d for d in extents if isinstance(d, int)), extents[0])


@operator("Expand")
def expand(node: NodeView) -> View | Compute:
    x, target = node.tensor(0), dims_content(node, 1)
    if target is None:
        raise Misfit("no shape is given")
    shape = broadcast_shapes(x.shape, target)
    if is_affine_broadcast(x.shape, shape):
        return View(x, shape, lambda i: broadcast_index(x.shape, i, shape))
    return Compute(x.dtype, shape, lambda i: broadcast_load(x, i, shape))


@operator("Tile")
def tile(node: NodeView) -> View | Compute:
    x, repeats = node.tensor(0), dims_content(node, 1)
    if repeats is None or len(repeats) != x.rank:
        raise Misfit(f"repeats do not fit rank {x.rank}")
    shape = tuple(d * r for d, r in zip(x.shape, repeats))

    def position(a: int, i: Expr) -> Expr:
        if x.shape[a] == 1:
            return ZERO
        return i if repeats[a] == 1 else binary("mod", i, x.shape[a])

    if all(1 in (d, r) for d, r in zip(x.shape, repeats)):
        return View(x, shape, lambda i: [position(a, v) for a, v in enumerate(i)])
    return Compute(x.dtype, shape, lambda i: x[[position(a, v) for a, v in enumerate(i)]])


@operator("Pad")
def pad(node: NodeView) -> View | Compute:
    """mode constant, edge, reflect or wrap; negative pads cut."""
    x = node.tensor(0)
    pads = dims_content(node, 1, "pads") or ()
    axes = [axis_in(a, x.rank) for a in ints_content(node, 3) or range(x.rank)]
    if len(pads) != 2 * len(axes):
        raise Misfit(f"{len(pads)} pads for {len(axes)} axes")
    begin: list[Dim] = [0] * x.rank
    end: list[Dim] = [0] * x.rank
    for n, a in enumerate(axes):
        begin[a], end[a] = pads[n], pads[len(axes) + n]
    shape = tuple(d + b + e for d, b, e in zip(x.shape, begin, end))
    padded = [a for a in range(x.rank) if not (is_at_least(0, begin[a]) and is_at_least(0, end[a]))]
    if not padded:
        return View(x, shape, lambda i: [v - b for v, b in zip(i, begin)])
    mode = node.attr("mode", "constant")
    if mode == "constant":
        given = node.optional(2)
        fill = const(node.attr("value", 0), x.dtype) if given is None else scalar(given)
        return Compute(x.dtype, shape, lambda i: load_or(x, [v - b for v, b in zip(i, begin)], padded, fill))
    if mode not in _OUTSIDE:
        raise Undefined(f"Pad(mode='{mode}')")

    for a in padded:
        not_empty(x, a, shape[a])

    def inside(i: Index) -> list[Expr]:
        """Negative pads cut first; then the rest is padded."""
        position = []
        for a, v in enumerate(i):
            cut = larger(begin[a] * -1, 0)
            left = x.shape[a] - cut - larger(end[a] * -1, 0)
            position.append(_OUTSIDE[mode](v - larger(begin[a], 0), left) + cut if a in padded else v - begin[a])
        return position

    return Compute(x.dtype, shape, lambda i: x[inside(i)])


def load_or(x: Tensor, position: list[Expr], guarded: list[int], otherwise: Expr) -> Expr:
    """x[position] where the guarded axes are inside the tensor, else the other value; never reads outside."""
    inside = None
    clamped = list(position)
    for a in guarded:
        last = x.shape[a] - 1
        check = binary("and", binary("ge", position[a], 0), binary("le", position[a], last))
        inside = check if inside is None else binary("and", inside, check)
        clamped[a] = binary("max", binary("min", position[a], last), 0)
    return x[clamped] if inside is None else where(inside, x[clamped], otherwise)


def _edge(position: Expr, extent: Dim) -> Expr:
    return binary("max", binary("min", position, extent - 1), 0)


def _reflect(position: Expr, extent: Dim) -> Expr:
    """Mirrored at the first and last element, as often as needed: period 2 * (extent - 1)."""
    if extent == 1:
        return ZERO
    period = dim(2 * (extent - 1))
    folded = binary("mod", position, period)
    return binary("min", folded, period - folded)


def _wrap(position: Expr, extent: Dim) -> Expr:
    return binary("mod", position, extent)


_OUTSIDE = {"edge": _edge, "reflect": _reflect, "wrap": _wrap}


@operator("DepthToSpace")
def depth_to_space(node: NodeView) -> Compute:
    x, block = node.tensor(0), node.attr("blocksize")
    n, c, h, w = x.shape
    agree(c, block * block, f"the channels of '{x.name}' and a block", "multiple")
    depth = floordiv(c, block * block)

    def body(i: Index) -> Expr:
        row, column = i[2] // block, i[3] // block
        within = (i[2] % block) * block + i[3] % block
        channel = within * depth + i[1] if node.attr("mode", "DCR") == "DCR" else i[1] * (block * block) + within
        return x[i[0], channel, row, column]

    return Compute(x.dtype, (n, depth, h * block, w * block), body)


@operator("SpaceToDepth")
def space_to_depth(node: NodeView) -> Compute:
    x, block = node.tensor(0), node.attr("blocksize")
    n, c, h, w = x.shape
    for extent in (h, w):
        agree(extent, block, f"rows and columns of '{x.name}' and a block", "multiple")

    def body(i: Index) -> Expr:
        within, channel = i[1] // c, i[1] % c
        if node.attr("mode", "DCR") == "CRD":
            within, channel = i[1] % (block * block), i[1] // (block * block)
        return x[i[0], channel, i[2] * block + within // block, i[3] * block + within % block]

    return Compute(x.dtype, (n, c * (block * block), floordiv(h, block), floordiv(w, block)), body)
