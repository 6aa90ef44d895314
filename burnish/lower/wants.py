"""What consumers want from a buffer before it is laid out: an order of axes, zeros around it, gaps between rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from burnish.dims import symbols
from burnish.lower.buffers import Halo
from burnish.lower.fuse import Fusion
from burnish.lower.placement import Placement, dense_strides, reshape, splitting_index
from burnish.lower.quantised import pad_of
from burnish.lower.scope import Body, Scope, StepForm
from burnish.ops.language.definition import Concat, Conv, MatMul, Reshape, Tensor
from burnish.ops.language.expr import Axis


@dataclass(eq=False)
class Wants:
    """orders: row-major through a permutation (a Reshape or a reference step reads it); halos: a convolution pads it,
    with zeros or what `fills` says; operands: rows of a register tile are read from it; images: a convolution reads it;
    slices: a Concat wants it written in place; viewed_slices: a Concat wants a view of it, the part, in place."""

    orders: dict[Tensor, tuple[int, ...]] = field(default_factory=dict)
    halos: dict[Tensor, Halo] = field(default_factory=dict)
    fills: dict[Tensor, int] = field(default_factory=dict)
    operands: set[Tensor] = field(default_factory=set)
    images: set[Tensor] = field(default_factory=set)
    slices: dict[Tensor, tuple[Tensor, int]] = field(default_factory=dict)  # part -> (concat, which part)
    viewed_slices: dict[Tensor, tuple[Tensor, tuple[Body | Reshape, ...]]] = field(default_factory=dict)


def collect_wants(scope: Scope, fusion: Fusion, from_data: frozenset[str]) -> Wants:
    """Read every root's form once; a later want never overrides an earlier dense one."""
    wants = Wants()
    for root in fusion.roots:
        for tensor in [root, *(of[root] for of in (fusion.epilogue, fusion.term) if root in of)]:
            form = scope.forms[tensor]
            if isinstance(form, Reshape):
                if not _is_free_channels_last(scope, fusion, form):
                    _want_order(scope, form.source, wants)
            elif isinstance(form, StepForm) and form.recurrent is None:
                for source in form.inputs:
                    if source is not None:
                        _want_order(scope, source, wants)
            elif isinstance(form, Conv):
                _want_halo(form, wants, from_data)
                wants.operands.add(form.x)
                wants.images.add(form.x)
            elif isinstance(form, MatMul):
                wants.operands.add(form.a)
            elif isinstance(form, Concat):
                _want_slices(scope, fusion, root, form, wants)
    for tensor in wants.orders:
        wants.halos.pop(tensor, None)
    return wants


def _want_order(scope: Scope, tensor: Tensor, wants: Wants) -> None:
    """Follow pure permutations to the tensor that has memory. It should be row-major after these permutations."""
    order = list(range(tensor.rank))  # order[i]: which axis of `tensor` comes i-th from outside
    while isinstance(form := scope.forms.get(tensor), Body) and form.is_view and tensor not in scope.outputs:
        load = form.expr
        if len(load.args) != len(form.axes) or any(a.op != "axis" for a in load.args):
            return
        position: dict[Axis, int] = {a.attr: i for i, a in enumerate(load.args)}
        if len(position) != len(form.axes):
            return
        order = [position[form.axes[a]] for a in order]
        tensor = load.attr
    wants.orders.setdefault(tensor, tuple(order))


def _is_free_channels_last(scope: Scope, fusion: Fusion, form: Reshape) -> bool:
    """Can a convolution's result be reshaped in place? Merging rows and columns leaves the channels innermost."""
    source = form.source
    if not isinstance(scope.forms.get(fusion.epilogue.get(source, source)), Conv):
        return False
    strides = dense_strides(source.shape, (0, *range(2, source.rank), 1))
    return reshape(Placement(0, source.dtype, source.shape, strides), form.shape) is not None


def _want_halo(form: Conv, wants: Wants, from_data: frozenset[str]) -> None:
    fill = pad_of(form)
    if fill is None or any(symbols(n) & from_data for n in form.x.shape):
        return
    if form.x in wants.halos and wants.fills.get(form.x, 0) != fill:
        return  # it gets a copy
    pads = [(0, 0), (0, 0), *needed_zeros(form)]
    old = wants.halos.get(form.x, ((0, 0),) * form.x.rank)
    halo = tuple((max(a, c), max(b, d)) for (a, b), (c, d) in zip(pads, old))
    if any(h != (0, 0) for h in halo):
        wants.halos[form.x] = halo
        if fill:
            wants.fills[form.x] = fill


def needed_zeros(form: Conv) -> list[tuple[int, int]]:
    """The zeros that a convolution reads before and after each spatial axis of its input."""
    if not form.transposed:
        return [(max(lo, 0), max(hi, 0)) for lo, hi in zip(form.pads_begin, form.pads_end)]
    kernel = [int(n) for n in form.weight.shape[2:]]  # type: ignore[arg-type]
    reach = [-(-((k - 1) * d) // s) for k, s, d in zip(kernel, form.strides, form.dilations)]
    return [(r, r) for r in reach]


def _want_slices(scope: Scope, fusion: Fusion, concat: Tensor, form: Concat, wants: Wants) -> None:
    for i, part in enumerate(form.parts):
        if part in wants.slices or part in wants.orders or part in wants.halos or form.parts.count(part) > 1:
            continue
        root, views = _behind_views(scope, part)
        if root in wants.viewed_slices:  # another Concat has it in place already, through a view
            continue
        made = scope.forms.get(root)
        if made is None or isinstance(made, Reshape | StepForm) or root in scope.outputs or part in scope.outputs:
            continue
        if isinstance(made, Body) and made.is_view:
            continue
        if views:
            is_free = root in fusion.roots and root not in wants.orders and root not in wants.halos
            if isinstance(made, Concat) or not is_free or root in wants.slices:
                continue
            wants.viewed_slices[root] = (part, views)
        wants.slices[part] = (concat, i)


def _behind_views(scope: Scope, part: Tensor) -> tuple[Tensor, tuple[Body | Reshape, ...]]:
    """The tensor behind a view, and the views, last one first: permutations, and reshapes that merge axes."""
    views: list[Body | Reshape] = []
    while isinstance(form := scope.forms.get(part), Body | Reshape):
        if isinstance(form, Reshape):
            if splitting_index(form.shape, form.source.shape) is None:
                break
            part = form.source
        elif form.is_view and _permutation(form) is not None:
            part = form.expr.attr
        else:
            break
        views.append(form)
    return part, tuple(views)


def _permutation(view: Body) -> list[int] | None:
    """For each axis of the source, its axis in the view. None for a slice or any other index."""
    position = {a: i for i, a in enumerate(view.axes)}
    extents = view.expr.attr.shape
    found = [
        position.get(a.attr) if a.op == "axis" and a.attr.extent == n else None for a, n in zip(view.expr.args, extents)
    ]
    order = [i for i in found if i is not None]
    return order if sorted(order) == list(range(len(view.axes))) and len(found) == len(order) else None


def unviewed(where: Placement, views: Sequence[Body | Reshape]) -> Placement | None:
    """The placement of the source, given the placement of its view."""
    for view in views:
        if isinstance(view, Reshape):
            found = reshape(where, view.source.shape)
            if found is None:
                return None
            where = found
            continue
        order = _permutation(view)
        assert order is not None
        shape, strides = (tuple(of[i] for i in order) for of in (where.shape, where.strides))
        where = Placement(where.storage, where.dtype, shape, strides, where.offset)
    return where
