"""A tuning task: one distinct kernel of a program, at the usual sizes of its dimensions.

Kernels of equal key are one task, whichever models they come from. Its digest names it in a timing cache; its summary
names it to people:  contraction f32 128x768 by 3072    loops f32 56x56x64 sum 3x3
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any

from burnish.dims import Dim, DimExpr, evaluate, symbols
from burnish.kernels.task import (
    AttentionTask,
    Chain,
    Contraction,
    Kernel,
    Launch,
    Loops,
    Program,
    TreesTask,
    digest_of,
    each_launch,
)
from burnish.ops.language.expr import Expr, walk


@dataclass(frozen=True)
class Task:
    """`launches`: its launches in the program, in order. `sizes`: opt of every symbol that the kernel uses."""

    kernel: Kernel
    sizes: tuple[tuple[str, int], ...]
    launches: tuple[Launch, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the kernel's key, shortened."""
        return digest_of(self.kernel)

    @cached_property
    def summary(self) -> str:
        """Its template, element type and extents."""
        return summary_of(self.kernel, dict(self.sizes))

    @property
    def nodes(self) -> tuple[str, ...]:
        """The ONNX nodes that its launches cover."""
        return tuple(dict.fromkeys(n for launch in self.launches for n in launch.nodes))


def tasks_of(program: Program) -> list[Task]:
    """The distinct kernels, in execution order.

    Left out are kernels whose size data decides, which have no usual size, and chains, which have one schedule.
    """
    sizes = program.sizes
    from_data = {name for name, (low, _, high) in program.symbols.items() if high < low or (low, high) == (0, 0)}
    groups: dict[str, list[Launch]] = {}
    for launch in each_launch(program.steps):
        if not launch.is_tuned or isinstance(launch.kernel, Chain):
            continue
        groups.setdefault(launch.kernel.key, []).append(launch)
    found = []
    for launches in groups.values():
        names = symbols_of(launches[0].kernel)
        if not names & from_data:
            found.append(Task(launches[0].kernel, tuple((n, sizes[n]) for n in sorted(names)), tuple(launches)))
    return found


def symbols_of(kernel: Kernel) -> frozenset[str]:
    """Every symbol in a kernel's dims: its slots, axes, windows, expressions."""
    return frozenset(name for dim in _dims(kernel, set()) for name in symbols(dim))


def summary_of(kernel: Kernel, sizes: dict[str, int]) -> str:
    """A summary for people. Kernels with equal summaries may differ in strides, prologues and epilogues."""

    def extents(dims: Iterable[Dim]) -> str:
        return "x".join(str(evaluate(d, sizes)) for d in dims) or "1"

    dtype = kernel.slots[0].dtype.value
    if isinstance(kernel, Contraction):
        shape = f"{extents(a.extent for a in kernel.pixels)} by {extents([kernel.n.extent])}"
        return f"contraction {dtype} {shape} sum {extents(a.extent for a in kernel.reduce)}"
    if isinstance(kernel, AttentionTask):
        q, k, v = kernel.slots[:3]
        return f"attention {dtype} {extents(q.shape)} keys {extents(k.shape[2:3])} values {extents(v.shape[3:4])}"
    if isinstance(kernel, Loops):
        reductions = dict.fromkeys(e for s in kernel.stores for e in walk(s.value) if e.op == "reduce")
        over = "".join(f" {e.attr[0]} {extents(a.extent for a in e.attr[1])}" for e in reductions)
        return f"loops {kernel.slots[-1].dtype.value} {extents(a.extent for a in kernel.domain)}{over}"
    if isinstance(kernel, TreesTask):
        nodes = extents(kernel.slots[1].shape[:1])
        return f"trees {dtype} {extents(kernel.slots[0].shape)} trees {kernel.trees} nodes {nodes}"
    assert not isinstance(kernel, Chain), "chains are no tasks"
    return f"{kernel.kind.lower()} {dtype} {extents(kernel.slots[0].shape)} hidden {kernel.hidden_size}"


def _dims(value: Any, seen: set[int]) -> Iterator[DimExpr]:
    if isinstance(value, DimExpr):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _dims(item, seen)
    elif isinstance(value, Expr):
        for node in walk(value):
            if id(node) not in seen:
                seen.add(id(node))
                yield from _dims(node.attr, seen)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _dims(getattr(value, field.name), seen)
