"""Decide which tensors get their own memory (roots), and which are computed inside the kernel of their one consumer.

The walk goes from the outputs back, so whole chains become one kernel:

    pointwise -> any expression      if each element is read once (or is very cheap to compute again)
    template  -> pointwise chain     the chain becomes the epilogue of the matmul or convolution
    template  -> sum with a template both become one sum of products (where the target has such kernels)
    view      -> anything            a view is an index, never a copy

If a tensor could have been fused but was not, `declined` holds the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from burnish.dtypes import DType
from burnish.kernels.usual_size import usual_count
from burnish.lower.add_products import depth_of, why_no_term, why_not_added
from burnish.lower.scope import Body, Scope, StepForm, is_constant, placed_sources, sources
from burnish.ops.language.definition import Attention, Concat, Conv, MatMul, Reshape, Tensor, Trees
from burnish.ops.language.expr import COSTLY, Axis, Expr, free_axes, linear, substitute, substitute_axes, walk

MAX_NODES = 400  # of one expression: bounds compile time
MAX_LOADS = 16  # distinct tensors in one kernel
TEMPLATES = (MatMul, Conv)
_DEQUANTISES = ("load", "const", "cast", "sub", "mul", "unfused_mul")


@dataclass(eq=False)
class Fusion:
    """roots in launch order, their expressions expanded; `epilogue[root]` is the template in the root's kernel.

    term: by root, a second template, whose product is added to the first one's
    """

    roots: list[Tensor] = field(default_factory=list)
    bodies: dict[Tensor, Body] = field(default_factory=dict)
    epilogue: dict[Tensor, Tensor] = field(default_factory=dict)
    term: dict[Tensor, Tensor] = field(default_factory=dict)
    covers: dict[Tensor, list[Tensor]] = field(default_factory=dict)
    declined: dict[Tensor, str] = field(default_factory=dict)


class _Fuser:
    def __init__(self, scope: Scope, opt: Mapping[str, int], adds_products: bool) -> None:
        self.scope, self.opt, self.adds_products = scope, opt, adds_products
        self.result = Fusion()
        self.placed = self._must_lie_in_memory()
        self.sums = self._sums_of_integers()
        self.expanded: dict[Tensor, Expr] = {}  # root -> expression so far
        self.users: dict[Tensor, set[Tensor]] = {}  # tensor -> roots whose expression loads it
        self.when = {t: i for i, t in enumerate(scope.order)}

    def run(self) -> Fusion:
        for tensor in reversed(self.scope.order):
            form = self.scope.forms[tensor]
            if isinstance(form, StepForm | Attention | Trees | Concat | Reshape):
                self._root(tensor)
            elif isinstance(form, MatMul | Conv):
                self._template(tensor)
            else:
                self._body(tensor, form)
        self.result.roots.sort(key=self._when)
        return self.result

    def _when(self, tensor: Tensor) -> int:
        return self.when[tensor]

    def _must_lie_in_memory(self) -> set[Tensor]:
        placed: set[Tensor] = set(self.scope.outputs)
        for tensor in reversed(self.scope.order):
            form = self.scope.forms[tensor]
            placed.update(placed_sources(form))
            if isinstance(form, Body) and form.is_view and tensor in placed and tensor not in self.scope.outputs:
                placed.update(sources(form))
        return placed

    def _sums_of_integers(self) -> set[Tensor]:
        """Products of integers, and pointwise work on them in as many bytes."""
        found: set[Tensor] = set()
        for tensor in self.scope.order:
            form = self.scope.forms[tensor]
            if isinstance(form, MatMul | Conv):
                found |= set() if form.dtype.is_float else {tensor}
            elif found and isinstance(form, Body) and tensor.dtype.size_bytes > 2 and not _has_reduce(form.expr):
                found |= {tensor} if found & _loaded(form.expr) else set()
        return found

    def _root(self, tensor: Tensor, expr: Expr | None = None) -> None:
        self.result.roots.append(tensor)
        self.result.covers.setdefault(tensor, []).append(tensor)
        if expr is not None:
            form = self.scope.forms[tensor]
            assert isinstance(form, Body)
            self.expanded[tensor] = expr
            self.result.bodies[tensor] = Body(form.axes, expr, form.is_view)
            for source in _loaded(expr):
                self.users.setdefault(source, set()).add(tensor)
        else:
            for source in sources(self.scope.forms[tensor]):
                self.users.setdefault(source, set()).add(tensor)

    def _body(self, tensor: Tensor, form: Body) -> None:
        users = self.users.get(tensor, set())
        if form.is_view and tensor not in self.scope.outputs:
            if tensor in self.placed:  # a view of memory: its source is a root too
                self._root(tensor, form.expr)
                self.result.bodies[tensor] = form
            for root in sorted((u for u in users if u in self.expanded), key=self._when):
                self._inline(tensor, form, root)
            return
        reason = self._why_not_inline(tensor, form, users)
        if reason:
            if users:
                self.result.declined[tensor] = reason
            self._root(tensor, form.expr)
            return
        for root in sorted(users, key=self._when):
            self._inline(tensor, form, root)

    def _why_not_inline(self, tensor: Tensor, form: Body, users: set[Tensor]) -> str:
        if tensor in self.placed:
            return "its consumer needs it in memory"
        if any(u not in self.expanded for u in users):
            return "its consumer is no expression"
        free = (not _loaded(form.expr) and not _has_reduce(form.expr)) or _is_dequantised(form.expr)
        if len(users) > 1 and not free:
            return f"{len(users)} kernels read it"
        for root in sorted(users, key=self._when):
            if root in self.result.epilogue and _has_reduce(form.expr):
                return f"{self.scope.node_name(root)} is the epilogue of a product, which reduces nothing else"
            expr = self.expanded[root]
            times = self._times_read(tensor, expr)
            if times > 1.0 and not free and (times > 4 or not self._is_cheap(tensor, form.expr)):
                return f"{self.scope.node_name(root)} would compute each element {times:.1f} times"
            if self._widens(tensor, form, root, times):
                return f"{self.scope.node_name(root)} would read sums of more bytes"
            merged = len(walk(expr)) + len(walk(form.expr))
            if merged > MAX_NODES or len(_loaded(expr) | _loaded(form.expr)) > MAX_LOADS:
                return "the kernel would become too large"
        return ""

    def _widens(self, tensor: Tensor, form: Body, root: Tensor, times: float) -> bool:
        """Would a product of integers lie in memory, in place of the fewer bytes that its own kernel makes of it?

        Not if the root becomes the product's epilogue, which is then the only one, and reads it where it is made.
        """
        if not self.sums or tensor in self.sums or _has_reduce(form.expr) or not self.sums & _loaded(form.expr):
            return False
        expr = self.expanded[root]
        others = self.sums & (_loaded(expr) - {tensor})
        if times > 1.0 or _has_reduce(expr) or root in self.result.epilogue or others:
            return True
        return any(
            index.op not in ("axis", "const")
            for e in walk(expr)
            if e.op == "load" and e.attr is tensor
            for index in e.args
        )

    def _is_cheap(self, tensor: Tensor, expr: Expr) -> bool:
        """Codes are not: a division and a rounding, or a table, make fewer bytes than those they are made of."""
        nodes = walk(expr)
        if any(e.op in COSTLY or e.op == "reduce" for e in nodes):
            return False
        loaded = [t for t in _loaded(expr) if not is_constant(t)]
        if tensor.dtype in (DType.U8, DType.I8) and any(t.dtype.size_bytes > 1 for t in loaded):
            return False
        return len(loaded) <= 1 and not any(isinstance(self.scope.forms.get(t), TEMPLATES) for t in loaded)

    def _times_read(self, tensor: Tensor, expr: Expr) -> float:
        """The number of times that each element would be computed inside the kernel."""
        total = 0.0
        for load in walk(expr):
            if load.op == "load" and load.attr is tensor:
                axes = set().union(*(free_axes(i) for i in load.args)) if load.args else set()
                total += usual_count([a.extent for a in axes], self.opt)
        return total / usual_count(tensor.shape, self.opt)

    def _inline(self, tensor: Tensor, form: Body, root: Tensor) -> None:
        expr = inline(self.expanded[root], tensor, form)
        self.expanded[root] = expr
        old = self.result.bodies[root]
        self.result.bodies[root] = Body(old.axes, expr, False)
        self.users[tensor].discard(root)
        for source in _loaded(expr):
            self.users.setdefault(source, set()).add(root)
        if tensor not in self.result.covers[root] and not form.is_view:
            self.result.covers[root].append(tensor)

    def _template(self, tensor: Tensor) -> None:
        users = self.users.get(tensor, set())
        reason = self._why_no_epilogue(tensor, users)
        if reason:
            if users:
                self.result.declined[tensor] = reason
            self._root(tensor)
            return
        (root,) = users
        if root in self.result.epilogue:
            self._add_term(root, tensor)
        else:
            self.result.epilogue[root] = tensor
        self.result.covers[root].append(tensor)
        for source in sources(self.scope.forms[tensor]):
            self.users.setdefault(source, set()).add(root)

    def _why_no_epilogue(self, tensor: Tensor, users: set[Tensor]) -> str:
        if tensor in self.placed:
            return "its consumer needs it in memory"
        if len(users) != 1:
            return f"{len(users)} kernels read it"
        (root,) = users
        if root not in self.expanded:
            return "its consumer is no expression"
        if root in self.result.epilogue and (reason := self._why_no_term(root, tensor)):
            return f"{self.scope.node_name(root)} is already the epilogue of another kernel: {reason}"
        if root.shape != tensor.shape and usual_count(root.shape, self.opt) != usual_count(tensor.shape, self.opt):
            return f"{self.scope.node_name(root)} has another shape"
        return epilogue_index(self.result.bodies[root], tensor)[1]

    def _why_no_term(self, root: Tensor, tensor: Tensor) -> str:
        """The reason why the kernel whose epilogue is this root cannot add this product too."""
        if not self.adds_products:
            return "this target adds one product at a time"
        if root in self.result.term:
            return "it adds two products already"
        first, body = self.result.epilogue[root], self.result.bodies[root]
        if reason := why_no_term(self.scope.forms[first], self.scope.forms[tensor]):
            return reason
        if epilogue_index(body, first)[0] != epilogue_index(body, tensor)[0]:
            return "it reads the two products at different places"
        return why_not_added(body.expr, first, tensor)

    def _add_term(self, root: Tensor, tensor: Tensor) -> None:
        """Add a term: the deeper product is the template, the other product its term."""
        first = self.result.epilogue[root]
        form, other = self.scope.forms[first], self.scope.forms[tensor]
        assert isinstance(form, Conv) and isinstance(other, Conv)
        is_deeper = usual_count([depth_of(other)], self.opt) > usual_count([depth_of(form)], self.opt)
        self.result.epilogue[root], self.result.term[root] = (tensor, first) if is_deeper else (first, tensor)


def fuse(scope: Scope, opt: Mapping[str, int], adds_products: bool = False) -> Fusion:
    """Find the roots and their expressions. opt: the profile's opt value of every symbol, used to compare sizes."""
    return _Fuser(scope, opt, adds_products).run()


def inline(expr: Expr, tensor: Tensor, form: Body) -> Expr:
    """Replace the loads of a tensor in `expr` by the tensor's own expression."""

    def replace(e: Expr) -> Expr | None:
        if e.op == "load" and e.attr is tensor:
            return substitute_axes(form.expr, dict(zip(form.axes, e.args)))
        return None

    return substitute(expr, replace)


def epilogue_index(body: Body, template: Tensor) -> tuple[dict[Axis, int], str]:
    """For each axis of the root, its axis in the template's output; or the reason why the root is not an epilogue."""
    loads = [e for e in walk(body.expr) if e.op == "load" and e.attr is template]
    if len(loads) != 1:
        return {}, f"it is read at {len(loads)} places"
    (load,) = loads
    if _has_reduce(body.expr):  # over it, or of something else that each element would compute again
        return {}, "its consumer reduces"
    found: dict[Axis, int] = {}
    for position, (index, extent) in enumerate(zip(load.args, template.shape)):
        form = linear(index)
        if extent == 1:
            continue
        if form is None or form.constant != 0 or list(form.coefficients.values()) != [1]:
            return {}, f"its consumer reads it at {index}"
        (a,) = form.coefficients
        if a in found or a not in body.axes or a.extent != extent:
            return {}, f"its consumer reads it at {index}"
        found[a] = position
    if any(a.extent != 1 and a not in found for a in body.axes):
        return {}, "its consumer repeats it"
    return found, ""


def _loaded(expr: Expr) -> set[Tensor]:
    return {e.attr for e in walk(expr) if e.op == "load"}


def _is_dequantised(expr: Expr) -> bool:
    """Is it (code - zero) * scale? To compute that again costs less than to read the four times as many bytes."""
    codes = [t for t in _loaded(expr) if not is_constant(t)]
    if len(codes) != 1 or codes[0].dtype.size_bytes != 1 or not expr.dtype.is_float:
        return False
    return all(e.dtype is DType.I64 or e.op in _DEQUANTISES for e in walk(expr))


def _has_reduce(expr: Expr) -> bool:
    return any(e.op == "reduce" for e in walk(expr))
