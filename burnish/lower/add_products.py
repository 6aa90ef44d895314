"""Two convolutions whose results are added become one sum of products: y = act(W3 t + Wd x + b), one launch.

    load(first) + load(second)    ->    acc(0) + bias of the second,    acc = both products

Exact in real arithmetic, and one rounding fewer: the second result is never stored. Only where nothing but additions
(and casts between floats) stands between the two results and the node that joins them. Integers have a scale each, so
that the second product has a sum of its own, acc(1), and anything may stand between.
"""

from __future__ import annotations

from collections import Counter

from burnish.dims import Dim, product
from burnish.lower.quantised import weights_of
from burnish.lower.scope import Body, Form, is_constant
from burnish.ops.language import expr as ex
from burnish.ops.language.definition import Conv, Tensor
from burnish.ops.language.expr import Expr, substitute, walk


def why_no_term(form: Form, other: Form) -> str:
    """The reason why two results cannot become products of one sum, or nothing."""
    for each in (form, other):
        if not isinstance(each, Conv) or each.transposed or each.groups != 1 or not is_constant(each.weight):
            return "only plain convolutions by constants are added in one kernel"
        if min((*each.pads_begin, *each.pads_end), default=0) < 0:
            return "a convolution that crops its input is not added to another"
    assert isinstance(form, Conv) and isinstance(other, Conv)
    if form.x.dtype is not other.x.dtype or form.shape != other.shape:
        return "the two products have other types or shapes"
    if not form.x.dtype.is_float and weights_of(form).dtype != weights_of(other).dtype:
        return "the weights of the two products have other types"
    return ""


def depth_of(form: Conv) -> Dim:
    """K, the products summed for each element."""
    return product(form.weight.shape[1:])


def why_not_added(root: Expr, first: Tensor, second: Tensor) -> str:
    """The reason why the loads of two tensors (one load each) are not joined by plain additions, or nothing."""
    if not first.dtype.is_float:
        return ""
    nodes = walk(root)
    users = Counter(id(a) for e in nodes for a in e.args)
    loads = {e.attr: e for e in nodes if e.op == "load" and isinstance(e.attr, Tensor)}
    if first not in loads or second not in loads:
        return "one of the two products is not read"
    over = {t: {id(e) for e in nodes if loads[t] in walk(e)} for t in (first, second)}
    joint = next((e for e in nodes if id(e) in over[first] & over[second]), None)
    if joint is None or not _is_sum(joint):
        return "its consumer does not add it to the other product"
    below = [e for e in walk(joint) if id(e) in over[first] | over[second] and e is not joint]
    if any(users[id(e)] != 1 or not (e.op == "load" or _is_sum(e)) for e in below):
        return "its consumer does more than add it to the other product"
    return ""


def without_term(body: Body, tensor: Tensor, form: Conv) -> Body:
    """The body without the load of a product that became a term. Only the product's bias remains."""

    def replace(e: Expr) -> Expr | None:
        if e.op == "load" and e.attr is tensor:
            if form.bias is None:
                return ex.const(0, form.dtype)
            return ex.cast(form.bias[[e.args[1]]], form.dtype)
        if _is_sum(e) and any(map(_is_zero, e.args)):
            return next((a for a in e.args if not _is_zero(a)), ex.const(0, e.dtype))
        return None

    return Body(body.axes, substitute(body.expr, replace), False)


def _is_zero(e: Expr) -> bool:
    return e.op == "const" and e.attr == 0


def _is_sum(e: Expr) -> bool:
    return e.op in ("add", "cast") and e.dtype.is_float and all(a.dtype.is_float for a in e.args)
