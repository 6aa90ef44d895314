"""The input of an attention's softmax: scale * q @ k.T, capped, plus masks.

    scores = softcap * tanh(scale / softcap * (q @ k.T)) + mask1 + mask2 ...
    scores = where(keep, scores, -inf)

The numbers may stand on q, k, k.T or the product. `find_scores` starts at the softmax's input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import onnx_ir as ir

from burnish.passes.forms.products import is_shared, product_of, rank_of, sum_of
from burnish.passes.rewrite.constants import constant_number
from burnish.passes.rewrite.rule import Skip

VERY_NEGATIVE = -1e4  # exp of it is 0 beside any sane score, in every float type


@dataclass(frozen=True)
class Selection:
    """where(condition, scores, fill), or where(condition, fill, scores) if `keeps_false`."""

    condition: ir.Value
    fill: float
    keeps_false: bool


@dataclass(frozen=True)
class Scores:
    """The parts of the formula; softcap 0: none.

    key_order: k is `key` transposed by it; None: `key` is k.T as it is
    nodes:     the nodes that compute the scores, users before their inputs
    """

    q: ir.Value
    key: ir.Value
    key_order: tuple[int, ...] | None
    scale: float
    softcap: float
    masks: tuple[ir.Value, ...]
    selection: Selection | None
    nodes: tuple[ir.Node, ...]


def find_scores(value: ir.Value) -> Scores | Skip:
    """Read a value as attention scores."""
    if rank_of(value) != 4:
        return Skip(f"the scores {value.name} are not known to have rank 4")
    selection, value, nodes = _selection(value)
    total = sum_of(value)
    if total.constant or any(sign != 1 for _, sign in total.terms):
        return Skip(f"{value.name} is no sum of scores and masks")
    for term, _ in total.terms:
        found = _capped_product(term)
        if isinstance(found, Scores):
            masks = tuple(v for v, _ in total.terms if v is not term)
            return replace(found, masks=masks, selection=selection, nodes=(*nodes, *total.nodes, *found.nodes))
    return Skip(f"no term of {value.name} is a scaled product of two activations used only there")


def _selection(value: ir.Value) -> tuple[Selection | None, ir.Value, tuple[ir.Node, ...]]:
    node = value.producer()
    if node is None or node.op_type != "Where" or is_shared(value):
        return None, value, ()
    condition, kept, filled = node.inputs
    assert condition is not None and kept is not None and filled is not None
    for scores, other, keeps_false in ((kept, filled, False), (filled, kept, True)):
        fill = constant_number(other)
        if fill is not None and fill <= VERY_NEGATIVE and rank_of(scores) == 4:
            return Selection(condition, float(fill), keeps_false), scores, (node,)
    return None, value, ()


def _capped_product(term: ir.Value) -> Scores | None:
    """scale * (q @ k.T), perhaps through softcap * tanh."""
    outer = product_of(term)
    value = outer.only()
    node = value.producer() if value is not None else None
    if value is None or node is None or node.domain or is_shared(value):
        return None
    if node.op_type != "Tanh":
        return _scaled_product(node, outer.scale, 0.0, outer.nodes)
    assert node.inputs[0] is not None
    inner = product_of(node.inputs[0])
    product = inner.only()
    matmul = product.producer() if product is not None else None
    if product is None or matmul is None or is_shared(product):
        return None
    return _scaled_product(matmul, outer.scale * inner.scale, outer.scale, (*outer.nodes, node, *inner.nodes))


def _scaled_product(matmul: ir.Node, scale: float, softcap: float, nodes: tuple[ir.Node, ...]) -> Scores | None:
    if matmul.op_type != "MatMul" or softcap < 0:
        return None
    left, right = matmul.inputs
    assert left is not None and right is not None
    if rank_of(left) != 4 or rank_of(right) != 4 or left.const_value is not None or right.const_value is not None:
        return None
    q, q_scale, q_nodes = _without_number(left)
    transposed, outer_scale, outer_nodes = _without_number(right)
    key, order, transpose_nodes = _untransposed(transposed)
    key, key_scale, key_nodes = _without_number(key) if order is not None else (key, 1.0, ())
    scale *= q_scale * outer_scale * key_scale
    if not (scale > 0 and math.isfinite(scale)):
        return None
    nodes = (*nodes, matmul, *q_nodes, *outer_nodes, *transpose_nodes, *key_nodes)
    return Scores(q, key, order, scale, softcap, (), None, nodes)


def _without_number(value: ir.Value) -> tuple[ir.Value, float, tuple[ir.Node, ...]]:
    """(x, c, nodes) if the value is c * x and has only this use; otherwise the value itself."""
    part = product_of(value) if not is_shared(value) else None
    x = part.only() if part is not None else None
    if part is None or x is None or rank_of(x) != 4:
        return value, 1.0, ()
    return x, part.scale, part.nodes


def _untransposed(value: ir.Value) -> tuple[ir.Value, tuple[int, ...] | None, tuple[ir.Node, ...]]:
    """(y, order, nodes): the value with its last two axes swapped is y transposed by `order`.

    None if it is no Transpose.
    """
    node = value.producer()
    if node is None or node.op_type != "Transpose" or node.domain or node.inputs[0] is None:
        return value, None, ()
    perm = node.attributes["perm"].as_ints() if "perm" in node.attributes else (3, 2, 1, 0)
    order = (perm[0], perm[1], perm[3], perm[2])
    return node.inputs[0], order, () if is_shared(value) else (node,)
