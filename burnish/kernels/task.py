"""Kernel tasks: the words that lowering, the targets and the tuner share.

A *kernel* is one piece of work with one output domain, written over numbered *slots* (its parameters) and named axes.
It knows no buffer, no node and no hardware. Two pieces of work of equal `key` share their code and their tactic.
A *launch* is a kernel with a binding for each slot. A *program* is the work of one plan: storages, constants, steps.

    Loops         for every index of a domain: store expressions          pointwise, reductions, norms, pooling, gather
    Contraction   acc[p, n] = sum_r A[p, r] * B[r, n], then an epilogue    matmul, convolution (implicit GEMM), grouped,
                  or several such products in one sum                      the sum of a block and its down-sampled input
    AttentionTask softmax(q k^T) v, one pass
    RecurrentTask LSTM, GRU, RNN over time
    TreesTask     the leaves that a row reaches, summed over trees
    Chain         Loops and Contractions one after another, strip by strip, with nothing but the result in memory

Strides, offsets and sizes are in elements of the slot's dtype. Inside a kernel, `load(slot, dtype, index)` reads a slot
at a logical index; slots hold shape and strides. Dims may be symbolic: kernels read symbols from the plan's dims table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from burnish.dims import Dim, product
from burnish.index_check import IndexCheck
from burnish.kernels.blocks import Blocks
from burnish.kernels.slot import Slot
from burnish.kernels.strips import Between, Part, Rows, Strip
from burnish.ops.language.definition import AttentionCodes
from burnish.ops.language.expr import Axis, Expr, text
from burnish.plan.manifest import OutputShape, TensorSpec
from burnish.requirement import Requirement


@dataclass(frozen=True, slots=True)
class Store:
    """slots[slot][index] = value, for every index of the domain; `index` is affine in the domain's axes."""

    slot: int
    index: tuple[Expr, ...]
    value: Expr


@dataclass(frozen=True)
class Loops:
    """For every index of the domain (outer to inner, the last axis is the one to vectorise): do the stores, in order.

    A `reduce` in a value is computed at the outermost loop at which its free axes are bound. No store is read by
    the same task, except at the very index that was written (in-place update).
    """

    slots: tuple[Slot, ...]
    domain: tuple[Axis, ...]
    stores: tuple[Store, ...]

    @cached_property
    def key(self) -> str:
        axes = " ".join(f"{a.name}:{a.extent}" for a in self.domain)
        return f"loops({_slots(self.slots)})<{axes}>{{{_stores(self.stores)}}}"


@dataclass(frozen=True, slots=True)
class Window:
    """One axis of A that is read past its ends: coordinate = first + sum(axis * step); outside [0, extent) A is zero.

    stride: elements from one coordinate to the next. `a_strides` says the same steps, times the stride.
    """

    steps: tuple[tuple[Axis, int], ...]
    first: int
    extent: Dim
    stride: Dim

    def __str__(self) -> str:
        steps = "+".join(f"{a.name}*{s}" for a, s in self.steps)
        return f"{steps}{self.first:+}<{self.extent}@{self.stride}"


@dataclass(frozen=True, slots=True)
class Term:
    """One more product of a sum, described as `Contraction` describes its own A and B.

    Its A and B are in slots `a` and `b`.  total: the number of its sum, acc(total)
    """

    a: int
    b: int
    reduce: tuple[Axis, ...]
    a_strides: tuple[tuple[Axis, Dim], ...]
    b_strides: tuple[tuple[Axis, Dim], ...]
    packed: bool
    windows: tuple[Window, ...] = ()
    total: int = 0

    def __str__(self) -> str:
        own = f"acc{self.total}" if self.total else ""
        return (
            f"{own}<{_axes(self.reduce)}>A{self.a}[{_pairs(self.a_strides)}]B{self.b}[{_pairs(self.b_strides)}]"
            f"{'packed' if self.packed else ''}{''.join(f'W[{w}]' for w in self.windows)}"
        )


@dataclass(frozen=True)
class Contraction:
    """acc[p..., n] = sum over the reduce axes of A * B, in f32 (f64 for f64, i32 for 8-bit), then the stores.

    slots[0] is A, slots[1] is B; their element offsets are linear in the axes, given by `a_strides` and `b_strides`
    (every pixel, reduce or n axis that is not listed has stride 0), so padding must already lie in memory, or else
    `windows` says where A ends (for targets whose `Abilities.pads_in_kernel`; A's slot then starts at coordinate 0 and
    the windows' `first` is not part of its offset).
    pixels    outer to inner; those that B depends on (batch, group) come first
    reduce    outer to inner; A's last one has stride 1 wherever that is possible
    packed    B is a constant, kept as [batch axes of B..., reduce axes..., n]; the schedule says how it is packed
    stores    values may use acc(0) (and the sums of `more`) and loads at any affine index of (pixels, n)
    more      further products, added to the same sums or to others (for targets whose `Abilities.adds_products`)
    blocks    B is kept in few bits (for targets whose `Abilities.blocked_weights`)
    """

    slots: tuple[Slot, ...]
    pixels: tuple[Axis, ...]
    n: Axis
    reduce: tuple[Axis, ...]
    a_strides: tuple[tuple[Axis, Dim], ...]
    b_strides: tuple[tuple[Axis, Dim], ...]
    packed: bool
    stores: tuple[Store, ...]
    windows: tuple[Window, ...] = ()
    more: tuple[Term, ...] = ()
    blocks: Blocks | None = None
    most_depth: int | None = None  # of bytes and a computed B: the maximum of a symbolic depth, if it is known

    @cached_property
    def key(self) -> str:
        return (
            f"contraction({_slots(self.slots)})<{_axes(self.pixels)};{_axes((self.n,))};{_axes(self.reduce)}>"
            f"A[{_pairs(self.a_strides)}]B[{_pairs(self.b_strides)}]{'packed' if self.packed else ''}"
            f"{self.blocks or ''}{''.join(f'W[{w}]' for w in self.windows)}{''.join(f'+{t}' for t in self.more)}"
            f"{'' if self.most_depth is None else f'<={self.most_depth}'}{{{_stores(self.stores)}}}"
        )

    @property
    def terms(self) -> tuple[Term, ...]:
        """Every product of the sum, the contraction's own product first."""
        own = Term(0, 1, self.reduce, self.a_strides, self.b_strides, self.packed, self.windows)
        return (own, *self.more)

    @property
    def totals(self) -> int:
        """The number of sums."""
        return 1 + max(t.total for t in self.terms)

    def alone(self, number: int) -> Contraction:
        """One product of the sum by itself: its A and B are slots 0 and 1, and nothing is stored."""
        t, slots = self.terms[number], self.slots
        operands = (slots[t.a], slots[t.b])
        return Contraction(operands, self.pixels, self.n, t.reduce, t.a_strides, t.b_strides, t.packed, (), t.windows)

    @property
    def flops(self) -> Dim:
        depth = sum((product(a.extent for a in t.reduce) for t in self.terms), start=0)
        return 2 * product(a.extent for a in (*self.pixels, self.n)) * depth


@dataclass(frozen=True)
class AttentionTask:
    """slots: q[b,h,i,d], k[b,h',j,d], v[b,h',j,e], (mask, broadcast to [b,h,i,j] by strides 0), out[b,h,i,e].

    out = softmax_j(scale*q.k + mask) v;  h' = h // (heads of q / heads of k);  causal: j <= i + len(k) - len(q).
    """

    slots: tuple[Slot, ...]
    scale: float
    causal: bool
    masked: bool
    softcap: float = 0.0
    codes: AttentionCodes | None = None  # what the float8 of q, k and v stands for

    @cached_property
    def key(self) -> str:
        options = f"scale={self.scale!r} causal={self.causal} mask={self.masked} cap={self.softcap!r}"
        return f"attention({_slots(self.slots)}){options}{self.codes or ''}"


@dataclass(frozen=True)
class RecurrentTask:
    """ONNX LSTM, GRU or RNN. slots, in order; `present` says which optional ones are there.

    X[t,b,i], W[d,g*h,i], R[d,g*h,h], B[d,2*g*h]?, sequence_lens[b]?, initial_h[d,b,h]?, initial_c[d,b,h]?, P[d,3*h]?,
    then the outputs Y[t,d,b,h]?, Y_h[d,b,h]?, Y_c[d,b,h]?. Gate order and formulas as ONNX says.
    packed: W and R are constants, which the template packs. attributes: rounds_states: h is rounded to u8 in each step.
    """

    slots: tuple[Slot, ...]
    kind: str
    present: tuple[bool, ...]
    hidden_size: int
    direction: str
    attributes: tuple[tuple[str, Any], ...]
    packed: bool = False

    @cached_property
    def key(self) -> str:
        how = f"{self.direction} {self.attributes}{' packed' if self.packed else ''}"
        return f"{self.kind}({_slots(self.slots)}){self.present}h={self.hidden_size} {how}"


@dataclass(frozen=True)
class TreesTask:
    """sums[row, target]: the contributions of the leaves that x[row] reaches, over all trees, in order.

    slots: x[row, feature], nodes i32[n, words], targets i32[tree] (or one for all), sums[row, target]; if `listed`,
    targets i32[pair], and before the sums starts i32[leaf + 1], weights[pair]. ops/language/ensemble.py says what they
    hold, and what modes and tracks_missing are. combine: sum, min or max.
    """

    slots: tuple[Slot, ...]
    trees: int
    combine: str
    modes: tuple[str, ...]
    tracks_missing: bool
    listed: bool

    @cached_property
    def key(self) -> str:
        how = f"{','.join(self.modes)}{' missing' * self.tracks_missing}{' listed' * self.listed}"
        return f"trees({_slots(self.slots)}){self.trees} {self.combine} {how}"


@dataclass(frozen=True, slots=True)
class Stage:
    """One kernel of a chain. parts: what each of its slots is."""

    kernel: Loops | Contraction
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Chain:
    """Kernels one after another on one strip of the result, then on the next strip.

    One thread does all stages of a strip. So what they hand on stays in that thread's cache, and no barrier is needed.
    stages   as they are for a strip; strips may overlap, and then write the same values twice
    strips   outer to inner
    rows     more coordinates, after those of the strips
    between  the intermediates
    """

    slots: tuple[Slot, ...]
    stages: tuple[Stage, ...]
    strips: tuple[Strip, ...]
    between: tuple[Between, ...]
    rows: tuple[Rows, ...] = ()

    @cached_property
    def key(self) -> str:
        stages = "; ".join(f"{s.kernel.key}@{' '.join(map(str, s.parts))}" for s in self.stages)
        strips, between = (" ".join(map(str, each)) for each in ((*self.strips, *self.rows), self.between))
        return f"chain({_slots(self.slots)})<{strips}>between {between}{{{stages}}}"


Kernel = Loops | Contraction | AttentionTask | RecurrentTask | TreesTask | Chain
DIGEST_DIGITS = 32  # of SHA-256: two different kernels never meet


def digest_of(kernel: Kernel) -> str:
    """A short name for the kernel's key, in timing caches and plans."""
    return hashlib.sha256(kernel.key.encode()).hexdigest()[:DIGEST_DIGITS]


@dataclass(frozen=True, slots=True)
class Binding:
    """The position of a slot's element 0: a storage, and an offset in elements of the slot's dtype."""

    storage: int
    offset: Dim = 0


@dataclass(frozen=True, slots=True)
class Launch:
    """A kernel on bound slots. `nodes`: the ONNX nodes it covers; `writes`: which slots it writes.

    tensors: the tensor at each binding, with its own shape; None where a kernel may also read the zeros around it
    is_tuned: its time matters; otherwise it uses the template's first schedule and is not in timing caches
    result: the tensor that it computes, or a part of
    """

    kernel: Kernel
    bindings: tuple[Binding, ...]
    writes: tuple[int, ...]
    name: str
    nodes: tuple[str, ...]
    tensors: tuple[Slot | None, ...] = ()
    is_tuned: bool = True
    result: str = ""


@dataclass(frozen=True, slots=True)
class ReferenceStep:
    """An ONNX node (a serialised ModelProto of one node) on the reference kernel; binds the dims its outputs reveal."""

    name: str
    op_type: str
    model: bytes
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """If: a bool scalar in a storage picks one of two step lists; both write the same storages."""

    name: str
    condition: Binding
    then: tuple[Step, ...]
    otherwise: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Fail:
    """The side of an If that is invalid for the plan's shapes. A run that reaches it is an error of the caller."""

    name: str
    reason: str


Step = Launch | ReferenceStep | Branch | Fail | Requirement | IndexCheck


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of bytes. kind: input, output, constant, arena (temporary), dynamic (sized during the run)."""

    number: int
    kind: str
    size_bytes: Dim
    name: str = ""


@dataclass(frozen=True)
class Program:
    """All the work of one plan for one profile."""

    symbols: dict[str, tuple[int, int, int]]  # name -> min, opt, max; data-dependent ones have min 0
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    storages: tuple[Storage, ...]
    constants: dict[int, np.ndarray[Any, Any]]  # storage number -> content
    steps: tuple[Step, ...]
    declined: dict[str, str] = field(default_factory=dict)  # node -> why it was not fused into its consumer
    geometry: dict[int, str] = field(default_factory=dict)  # storages with zeros around them: lower/memory
    notes: tuple[str, ...] = ()  # tactics that were left out, and why
    workspace: int | None = None  # bytes that one launch may need for itself at the profile's maximum; None: any number
    output_shapes: tuple[OutputShape, ...] = ()
    fills: dict[int, int] = field(default_factory=dict)  # the byte around those storages that is not zero
    tensors: dict[str, tuple[Binding, Slot]] = field(default_factory=dict)  # where each computed tensor lies

    @property
    def sizes(self) -> dict[str, int]:
        """The usual value of each symbol."""
        return {name: opt for name, (_, opt, _) in self.symbols.items()}

    @property
    def ranges(self) -> dict[str, tuple[int, int]]:
        """The least and the greatest value of each symbol."""
        return {name: (low, high) for name, (low, _, high) in self.symbols.items()}


def each_step(steps: Sequence[Step]) -> Iterator[Step]:
    """Every step, in order; a branch comes before the steps of its two sides."""
    for step in steps:
        yield step
        if isinstance(step, Branch):
            yield from each_step(step.then)
            yield from each_step(step.otherwise)


def each_launch(steps: Sequence[Step]) -> Iterator[Launch]:
    """Every launch, branches included, in order."""
    return (step for step in each_step(steps) if isinstance(step, Launch))


def _pairs(strides: Sequence[tuple[Axis, Dim]]) -> str:
    return " ".join(f"{a.name}*{s}" for a, s in strides)


def _axes(axes: Sequence[Axis]) -> str:
    return " ".join(f"{a.name}:{a.extent}" for a in axes)


def _slots(slots: Sequence[Slot]) -> str:
    return " ".join(map(str, slots))


def _stores(stores: Sequence[Store]) -> str:
    return "; ".join(f"{s.slot}[{','.join(text(i) for i in s.index)}]={text(s.value)}" for s in stores)
