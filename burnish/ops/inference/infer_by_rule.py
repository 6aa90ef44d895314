"""Shapes of nodes without a definition, where ONNX's own inference is wrong, or gives nothing for open dimensions.

Attention    0 keys, and 0 values of a head, where these are open
Slice        all axes are open where starts or ends are computed, even those that it does not cut
STFT         as if `onesided` were 0, where it is left out
windows      no rank, where the kernel is open
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx_ir as ir

from burnish.dims import Dim, floordiv
from burnish.dtypes import DType
from burnish.ops.language.definition import Shape, Tensor

Fresh = Callable[[ir.Value, int], Dim]
Given = list[Tensor | None]
SAME_RANK = frozenset({  # as their first input
    "AveragePool", "CenterCropPad", "Conv", "ConvInteger", "ConvTranspose", "DeformConv", "LpPool", "MaxPool",
    "MaxUnpool", "Pad", "QLinearConv", "Resize", "Slice",
})  # fmt: skip


def infer_by_rule(node: ir.Node, value: ir.Value, tensors: Mapping[ir.Value, Tensor], fresh: Fresh) -> Tensor | None:
    """One output of the node. None if there is no rule for it, or not enough is known."""
    if node.domain not in ("", "ai.onnx") or node.op_type not in ("Attention", "STFT", "Slice"):
        return None
    given = [tensors.get(v) if v is not None else None for v in node.inputs] + [None] * 4
    if node.op_type == "STFT":
        return _short_time_spectrum(node, value, given, fresh)
    if node.op_type == "Slice":
        return _slice(value, given, fresh)
    shape = _attention(node, node.outputs.index(value), given)
    return None if shape is None or given[0] is None else Tensor(value.name or "", given[0].dtype, shape)


def infer_rank(
    node: ir.Node, value: ir.Value, dtype: DType | None, tensors: Mapping[ir.Value, Tensor], fresh: Fresh
) -> Tensor | None:
    """If not even the rank is known: the first input's rank, with every dimension open."""
    first = tensors.get(node.inputs[0]) if node.inputs and node.inputs[0] is not None else None
    if node.domain not in ("", "ai.onnx") or node.op_type not in SAME_RANK or first is None or dtype is None:
        return None
    return Tensor(value.name or "", dtype, tuple(fresh(value, axis) for axis in range(first.rank)))


def _attention(node: ir.Node, place: int, given: Given) -> Shape | None:
    """Y, the keys, the values, the scores."""
    q, k, v, _, past = given[:5]
    if q is None or k is None or v is None:
        return None
    is_flat = q.rank == 3
    heads, kv_heads = (
        _integer(node, n, 0) if is_flat else t.shape[1] for n, t in (("q_num_heads", q), ("kv_num_heads", k))
    )
    if heads == 0 or kv_heads == 0:
        return None
    keys = k.shape[-2] + (0 if past is None else past.shape[2])
    size, value_size = (floordiv(t.shape[2], kv_heads) if is_flat else t.shape[3] for t in (k, v))
    if place == 0:
        y = (q.shape[0], q.shape[1], value_size * heads)
        return y if is_flat else (*q.shape[:3], value_size)
    if place == 3:
        return (q.shape[0], heads, q.shape[-2], keys)
    return (k.shape[0], kv_heads, keys, size if place == 1 else value_size)


def _slice(value: ir.Value, given: Given, fresh: Fresh) -> Tensor | None:
    """The axes that it does not name keep their size. Without axes, it names the first ones."""
    x, starts, _, axes = given[:4]
    if x is None or starts is None or starts.rank != 1:
        return None
    count = starts.shape[0]
    named = tuple(range(count)) if axes is None and isinstance(count, int) else None if axes is None else axes.elements
    if named is None or not all(isinstance(a, int) and -x.rank <= a < x.rank for a in named):
        return None
    cut = {a % x.rank for a in named}
    return Tensor(value.name or "", x.dtype, tuple(fresh(value, a) if a in cut else d for a, d in enumerate(x.shape)))


def _short_time_spectrum(node: ir.Node, value: ir.Value, given: Given, fresh: Fresh) -> Tensor | None:
    """[batch, frames, bins, 2]"""
    signal, step, window, length = given[:4]
    if signal is None or signal.rank < 2:
        return None
    size: Dim | None = signal.shape[1] if window is None else window.shape[0]
    if length is not None:
        size = length.elements[0] if length.elements else None
    every = step.elements[0] if step is not None and step.elements else None
    frames, bins = fresh(value, 1), fresh(value, 2)
    if size is not None:
        bins = floordiv(size, 2) + 1 if _integer(node, "onesided", 1) else size
        if isinstance(every, int) and every > 0:
            frames = floordiv(signal.shape[1] - size, every) + 1
    return Tensor(value.name or "", signal.dtype, (signal.shape[0], frames, bins, 2))


def _integer(node: ir.Node, name: str, default: int) -> int:
    attribute = node.attributes.get(name)
    return default if attribute is None else attribute.as_int()
