"""The work of a kernel, for profiles and rooflines: floating-point (or integer) operations, and bytes touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from burnish.dims import Dim, minimum, product
from burnish.dtypes import DType
from burnish.kernels.task import (
    AttentionTask,
    Chain,
    Contraction,
    Kernel,
    Loops,
    Program,
    RecurrentTask,
    ReferenceStep,
    TreesTask,
    each_launch,
)
from burnish.ops.language.expr import Expr, free_axes, text, walk
from burnish.plan.manifest import TensorSpec

_FREE = frozenset(["const", "axis", "dim", "acc", "load", "cast", "where"])
CORE_FLOP_PER_BYTE = 5  # how many one core does while it reads or writes one
WALK_STEP_FLOP = 60  # and while a walk through a tree takes one step, reads included: 1.2 ns
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
    if isinstance(kernel, TreesTask):
        return trees_steps(kernel)
    if isinstance(kernel, Chain):
        return product(s.count for s in kernel.strips) * sum((flops(s.kernel) for s in kernel.stages), start=0)
    return sum((_operations(store.value) for store in kernel.stores), start=0)


def multiplies_integers(program: Program) -> bool:
    """Has the program sums of products of bytes, for which processors have instructions?"""
    kernels = (k for launch in each_launch(program.steps) for k in stages_of(launch.kernel))
    return any(isinstance(k, Contraction) and k.slots[0].dtype in (DType.U8, DType.I8) for k in kernels)


def stages_of(kernel: Kernel) -> Iterator[Kernel]:
    """The kernel itself, or each kernel of a chain."""
    if isinstance(kernel, Chain):
        yield from (stage.kernel for stage in kernel.stages)
    else:
        yield kernel


def core_work(kernel: Kernel) -> Dim:
    """What the kernel costs one core, counted in the flops that the core could do meanwhile."""
    if isinstance(kernel, TreesTask):
        return trees_steps(kernel) * WALK_STEP_FLOP
    return flops(kernel) + bytes_touched(kernel) * CORE_FLOP_PER_BYTE


def trees_steps(kernel: TreesTask) -> Dim:
    """The number of comparisons if the trees are balanced. The path of each row is not known."""
    rows, nodes, trees = kernel.slots[0].shape[0], kernel.slots[1].shape[0], kernel.trees
    assert isinstance(nodes, int)
    return rows * trees * max((nodes // max(trees, 1)).bit_length() - 1, 1)


def reference_flops(step: ReferenceStep) -> Dim:
    """Operations of a step on the reference kernel: a recurrence's products, otherwise one for each result element.

    This is a lower bound: the work inside the iterations of a Loop is unknown.
    """
    if step.op_type in _GATES and len(step.inputs) >= 3:  # one value may be two of its inputs
        x, w, r = (t.shape for t in step.inputs[:3])
        return 2 * x[0] * x[1] * (product(w) + product(r))
    return sum((product(t.shape) for t in step.outputs), start=0)


def tensor_bytes(tensors: Iterable[TensorSpec]) -> Dim:
    """The total bytes of dense tensors."""
    return sum((product(t.shape) * t.dtype.size_bytes for t in tensors), start=0)


def bytes_touched(kernel: Kernel) -> Dim:
    """Every element of every slot, counted once. A table whose rows are chosen by data counts at most its reads."""
    return sum(slot_bytes(kernel), start=0)


def slot_bytes(kernel: Kernel) -> list[Dim]:
    """The bytes touched in each slot."""
    reads = _chosen_reads(kernel) if isinstance(kernel, Loops) else {}
    if isinstance(kernel, TreesTask):
        reads[1] = trees_steps(kernel) * kernel.slots[1].shape[1]
    found: list[Dim] = []
    for number, slot in enumerate(kernel.slots):
        elements = product(n for n, stride in zip(slot.shape, slot.strides) if stride != 0)
        if number in reads:
            elements = minimum(elements, reads[number])
        found.append(elements * slot.dtype.size_bytes)
    return found


def _chosen_reads(kernel: Loops) -> dict[int, Dim]:
    """The number of reads of each slot at indices that come from other loads."""
    reads: dict[int, Dim] = {}
    loads = {node for store in kernel.stores for node in walk(store.value) if node.op == "load"}
    for node in sorted(loads, key=text):
        if any(inner.op == "load" for index in node.args for inner in walk(index)):
            reads[node.attr] = reads.get(node.attr, 0) + product(a.extent for a in free_axes(node))
    return reads


def _operations(root: Expr) -> Dim:
    """Operations of an expression: each node counts once for every index of the axes that it depends on."""
    total: Dim = 0
    for node in walk(root):
        if node.op == "reduce":
            total = total + product(a.extent for a in free_axes(node) | set(node.attr[1]))
        elif node.op not in _FREE and node.dtype is not DType.I64:
            total = total + product(a.extent for a in free_axes(node))
    return total
