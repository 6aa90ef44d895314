"""How much work a kernel is: floating-point (or integer) operations and bytes touched, for profiles and rooflines."""

from __future__ import annotations

from burnish.dims import Dim, product
from burnish.dtypes import DType
from burnish.lower.task import AttentionTask, Contraction, Kernel, RecurrentTask
from burnish.ops.expr import Expr

_FREE = frozenset(["const", "axis", "dim", "acc", "load", "cast", "where"])
_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def flops(kernel: Kernel) -> Dim:
    """Arithmetic operations; a multiply-add counts two, an exp one, index arithmetic none."""
    if isinstance(kernel, Contraction):
        return kernel.flops
    if isinstance(kernel, AttentionTask):
        q, k, v = kernel.slots[:3]
        return 2 * product(q.shape[:3]) * k.shape[2] * (q.shape[3] + v.shape[3])
    if isinstance(kernel, RecurrentTask):
        time, batch, width = kernel.slots[0].shape
        both_ways = kernel.slots[1].shape[0]
        inner = 2 * _GATES.get(kernel.kind, 1) * kernel.hidden_size * (width + kernel.hidden_size)
        return time * batch * both_ways * inner
    extent = product(a.extent for a in kernel.domain)
    total: Dim = 0
    for store in kernel.stores:
        total = total + _operations(store.value, extent, set())
    return total


def bytes_touched(kernel: Kernel) -> Dim:
    """Every element of every slot once."""
    total: Dim = 0
    for slot in kernel.slots:
        extents = (n for n, stride in zip(slot.shape, slot.strides) if stride != 0)
        total = total + product(extents) * slot.dtype.size_bytes
    return total


def _operations(root: Expr, extent: Dim, seen: set[tuple[int, Dim]]) -> Dim:
    """Operations of an expression evaluated `extent` times; shared nodes count once."""
    if (id(root), extent) in seen:
        return 0
    seen.add((id(root), extent))
    inner, own = extent, extent
    if root.op == "reduce":
        own = inner = extent * product(a.extent for a in root.attr[1])
    total: Dim = 0 if root.op in _FREE or root.dtype is DType.I64 else own
    if root.op != "load":
        for argument in root.args:
            total = total + _operations(argument, inner, seen)
    return total
