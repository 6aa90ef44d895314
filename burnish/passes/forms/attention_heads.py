"""Heads of an attention: undo repeated key-value heads, and check the shapes that the Attention operator needs.

    k[b, h, s, d] -> Unsqueeze -> [b, h, 1, s, d] -> Expand -> [b, h, n, s, d] -> Reshape -> [b, h * n, s, d]

is undone: Attention reads the h heads and uses each n times (grouped-query attention).
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from burnish.passes.forms.products import is_shared
from burnish.passes.rewrite.rule import Skip

Dims = tuple[int | str | None, ...]
LARGEST_HEAD = 256  # a larger one does not stay in a GPU's registers; two products and a softmax always do it


def dims_of(value: ir.Value) -> Dims | None:
    """Ints, or names of symbolic dimensions (None where nothing is known). None if the rank is unknown."""
    if value.shape is None:
        return None
    return tuple(d if isinstance(d, int) else d.value for d in value.shape)


def without_repeat(value: ir.Value) -> tuple[ir.Value, int, tuple[ir.Node, ...]]:
    """(x, n, nodes) if the value is x with each head repeated n times in a row, else the value itself with n = 1."""
    chain = _chain(value, (("Reshape",), ("Expand",), ("Unsqueeze", "Reshape")))
    if chain is None:
        return value, 1, ()
    base = chain[-1].inputs[0]
    assert base is not None
    before, single, repeated, after = (dims_of(v) for v in (base, *(n.outputs[0] for n in reversed(chain))))
    if before is None or repeated is None or len(before) != 4 or len(repeated) != 5 or None in before:
        return value, 1, ()
    batch, heads, length, depth = before
    count = repeated[2]
    if not isinstance(heads, int) or not isinstance(count, int):
        return value, 1, ()
    expected = (
        (batch, heads, 1, length, depth),
        (batch, heads, count, length, depth),
        (batch, heads * count, length, depth),
    )
    if (single, repeated, after) != expected:
        return value, 1, ()
    return base, count, chain if not any(is_shared(n.outputs[0]) for n in chain) else ()


def _chain(value: ir.Value, op_types: Sequence[Sequence[str]]) -> tuple[ir.Node, ...] | None:
    """The nodes of these types that compute a value, the last one first."""
    nodes: list[ir.Node] = []
    current: ir.Value | None = value
    for wanted in op_types:
        node = current.producer() if current is not None else None
        if node is None or node.domain or node.op_type not in wanted:
            return None
        nodes.append(node)
        current = node.inputs[0]
    return tuple(nodes)


def refuse_shapes(q: ir.Value, k: Dims | None, v: ir.Value) -> Skip | None:
    """A Skip unless q[b, h, s, d], k[b, g, t, d] and v[b, g, t, e] fit together with h a multiple of g."""
    q_dims, v_dims = dims_of(q), dims_of(v)
    if q_dims is None or k is None or v_dims is None or not len(q_dims) == len(k) == len(v_dims) == 4:
        return Skip(f"{q.name} and what it meets are not all known to have rank 4")
    if q_dims[0] is None or not q_dims[0] == k[0] == v_dims[0]:
        return Skip(f"the batch sizes differ or are unknown: {q_dims[0]}, {k[0]}, {v_dims[0]}")
    if not isinstance(q_dims[1], int) or not isinstance(k[1], int) or k[1] != v_dims[1] or q_dims[1] % k[1]:
        return Skip(f"{q_dims[1]} heads of q cannot share {k[1]} of k and {v_dims[1]} of v")
    if not all(isinstance(d, int) and d <= LARGEST_HEAD for d in (q_dims[3], v_dims[3])):
        return Skip(f"heads of {q_dims[3]} and {v_dims[3]}: only known sizes up to {LARGEST_HEAD} are done in one pass")
    return None


def refuse_mask(mask: ir.Value, scores: Dims) -> Skip | None:
    """A Skip unless the mask broadcasts to the scores without changing their shape, and is as long as the keys."""
    dims = dims_of(mask)
    if dims is None or not 2 <= len(dims) <= 4:
        return Skip(f"the mask {mask.name} is not known to have rank 2 to 4")
    if dims[-1] is None or dims[-1] != scores[-1]:
        return Skip(f"the mask {mask.name} is {dims[-1]} long, the keys {scores[-1]}")
    for found, wanted in zip(reversed(dims), reversed(scores), strict=False):
        if found != 1 and (found is None or found != wanted):
            return Skip(f"the mask {mask.name} has size {found} where the scores have {wanted}")
    return None
