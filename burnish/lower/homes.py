"""Place the tensors of one graph: decide the memory of each root from the wants of its users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from burnish.dims import Dim, evaluate
from burnish.dtypes import DType
from burnish.kernels.abilities import Abilities
from burnish.kernels.usual_size import usual_count
from burnish.lower.buffers import Buffers, Layout
from burnish.lower.fuse import Fusion
from burnish.lower.placement import Placement
from burnish.lower.scope import Body, Scope, is_constant
from burnish.lower.wants import Wants, unviewed
from burnish.ops.language import expr as ex
from burnish.ops.language.definition import Concat, Conv, Tensor
from burnish.ops.language.expr import Axis, Expr, walk


@dataclass(eq=False)
class Homes:
    """Placements, shared by all scopes of a program. `outputs`: where this scope's results must be."""

    scope: Scope
    fusion: Fusion
    wants: Wants
    buffers: Buffers
    opt: Mapping[str, int]
    placements: dict[Tensor, Placement]
    outputs: Mapping[Tensor, Placement]
    abilities: Abilities

    def place(self, load: Expr) -> Placement | Expr:
        """The operand for an expression: a known scalar becomes a constant, any other tensor is read from memory."""
        tensor: Tensor = load.attr
        if tensor.elements is not None and len(tensor.elements) == 1:
            (value,) = tensor.elements
            if isinstance(value, int | float | bool):
                return ex.const(value, tensor.dtype)
            return ex.cast(ex.dim(value), tensor.dtype)
        if is_constant(tensor) and tensor.array is not None and tensor.array.size == 1:
            return ex.const(tensor.array.reshape(-1)[0].item(), tensor.dtype)
        return self.placed(tensor)

    def placed(self, tensor: Tensor) -> Placement:
        if tensor not in self.placements:
            assert is_constant(tensor), f"{tensor.name} has no memory"
            return self.buffers.constant_tensor(tensor)
        return self.placements[tensor]

    def placed_load(self, load: Expr) -> Placement | Expr:
        return self.placed(load.attr)

    def destination(self, root: Tensor) -> Placement:
        """Memory for a root: the plan's output, a slice of a Concat, or a new buffer as its users want it."""
        if root in self.outputs:
            return self.outputs[root]
        if root in self.wants.slices:
            concat, part = self.wants.slices[root]
            return self.part_of(concat, part)
        if root in self.wants.viewed_slices:
            seen, views = self.wants.viewed_slices[root]
            found = unviewed(self.part_of(*self.wants.slices[seen]), views)
            assert found is not None, f"{root.name}: axes of a part do not split"
            return found
        return self.allocate(root, self.order_of(root))

    def allocate(self, root: Tensor, order: tuple[int, ...]) -> Placement:
        halo = () if self.abilities.pads_in_kernel else self.wants.halos.get(root, ())
        spread = self.abilities.spread_rows and root in self.wants.operands and root not in self.wants.orders
        return self.buffers.temporary(
            root.name, root.dtype, root.shape, Layout(order, halo, spread, self.wants.fills.get(root, 0))
        )

    def order_of(self, root: Tensor) -> tuple[int, ...]:
        if root in self.wants.orders:
            return self.wants.orders[root]
        form = self.scope.forms[root]
        template = self.scope.forms.get(self.fusion.epilogue.get(root, root))
        if isinstance(template, Conv) or isinstance(form, Conv):
            return (0, *range(2, root.rank), 1)
        if isinstance(form, Concat):
            return self.order_of_concat(form)
        is_narrow = root.dtype.is_integer or root.dtype is DType.BF16  # several channels are multiplied at once
        if root in self.wants.images and (self.abilities.pads_in_kernel or is_narrow):
            return (0, *range(2, root.rank), 1)
        body = self.fusion.bodies.get(root)
        return self.order_from_sources(body) if body is not None else tuple(range(root.rank))

    def order_of_concat(self, form: Concat) -> tuple[int, ...]:
        placed = [p for p in form.parts if p in self.placements and not self.repeats(self.placements[p])]
        if placed:
            largest = max(placed, key=lambda p: usual_count(p.shape, self.opt))
            return self.order_in(self.placements[largest])
        first = form.parts[0]
        return self.order_of(first) if first in self.fusion.roots else tuple(range(first.rank))

    @staticmethod
    def repeats(placement: Placement) -> bool:
        """Do several elements share one place in memory? Then the strides do not tell an order."""
        return any(n != 1 and s == 0 for n, s in zip(placement.shape, placement.strides))

    def order_from_sources(self, body: Body) -> tuple[int, ...]:
        """The order of the largest tensor that is read along every axis, large steps outside.

        Row-major if there is none.
        """
        best: tuple[float, tuple[int, ...]] = (0.0, tuple(range(len(body.axes))))
        for load in walk(body.expr):
            if load.op != "load" or not isinstance(load.attr, Tensor):
                continue
            placement = self.placements.get(load.attr)
            if placement is None or (size := usual_count(placement.shape, self.opt)) <= best[0]:
                continue
            if (order := _follow(body.axes, load, self.order_in(placement))) is not None:
                best = (size, order)
        return best[1]

    def order_in(self, placement: Placement) -> tuple[int, ...]:
        """A placement's axes from the largest step to the smallest. Axes without a step keep their position."""
        values = {name: max(n, 1) for name, n in self.opt.items()}
        steps = [abs(evaluate(s, values)) for s in placement.strides]
        real = sorted((a for a, n in enumerate(placement.shape) if n != 1), key=lambda a: (-steps[a], a))
        it = iter(real)
        return tuple(a if n == 1 else next(it) for a, n in enumerate(placement.shape))

    def part_of(self, concat: Tensor, part: int) -> Placement:
        """The slice of a Concat's buffer that belongs to one part."""
        if concat not in self.placements:
            self.placements[concat] = self.destination(concat)
        whole = self.placements[concat]
        form = self.scope.forms[concat]
        assert isinstance(form, Concat)
        start: Dim = 0
        for p in form.parts[:part]:
            start = start + p.shape[form.axis]
        return Placement(
            whole.storage,
            whole.dtype,
            form.parts[part].shape,
            whole.strides,
            whole.offset + start * whole.strides[form.axis],
        )


def _follow(axes: Sequence[Axis], load: Expr, order: Sequence[int]) -> tuple[int, ...] | None:
    """The order of `axes` in which a load walks its source, large steps first; None if it leaves an axis out."""
    rank: dict[int, int] = {}
    for position, source_axis in enumerate(order):
        form = ex.linear(load.args[source_axis])
        for a in form.coefficients if form is not None else ():
            if a in axes and a.extent != 1:
                rank.setdefault(axes.index(a), position)
    if any(a.extent != 1 and i not in rank for i, a in enumerate(axes)):
        return None
    return tuple(sorted(range(len(axes)), key=lambda i: (rank.get(i, -1), i)))
