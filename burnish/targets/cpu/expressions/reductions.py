"""Reductions in a scope: sum, prod, max, min over axes, several at once where they share their axes.

    inside a vectorised scope   the axes are loops (unrolled while small), one vector accumulator each
    in a scalar scope           the last axis is vectorised if its loads are contiguous; `CHAINS` accumulators in flight
                                hide the latency; lanes are combined at the end in a fixed order

A long sum of floats is a sum of partial sums of about `BLOCK` terms each. Its error therefore does not grow with its
length, as the error of one running sum does.
The order of additions depends only on the schedule's width, never on data or threads, so results are reproducible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llvmlite import ir

from burnish.dtypes import DType
from burnish.kernels.facts import Facts, count_nodes
from burnish.ops.language.expr import COMBINES, Axis, Expr, linear, neutral, walk
from burnish.targets.cpu.builder import I32, KernelBuilder, lanes_of
from burnish.targets.cpu.expressions import arithmetic
from burnish.targets.cpu.expressions.lanes import Lanes, Values, inside, scalar
from burnish.targets.cpu.expressions.storage import register_type

UNROLL_LIMIT = 400  # operations of straight-line code
CHAINS = 4
BLOCK = 64  # terms that an accumulator sums before it is added to the total


@dataclass(frozen=True)
class Member:
    """One reduction to compute: the node and its scope."""

    scope: Values
    expr: Expr

    @property
    def kind(self) -> str:
        return str(self.expr.attr[0])

    @property
    def body(self) -> Expr:
        return self.expr.args[0]


def reduce(scope: Values, expr: Expr) -> Lanes:
    """The value of a `reduce` node here; the reducer of `LaneInstructions`."""
    return _emit([(scope, expr)])[0]


def hoist(scope: Values, exprs: Sequence[Expr], axes: Sequence[Axis]) -> None:
    """Like `Scope.hoist`, but reductions over the same axes share one loop."""
    wanted = scope.invariants(exprs, axes)
    reduce_together([scope], wanted)
    for e in wanted:
        scope.value(e)


def reduce_together(scopes: Sequence[Values], exprs: Sequence[Expr]) -> None:
    """Emit the expressions' reductions for every scope, those over the same axes in one loop."""
    found: dict[tuple[int, tuple[Axis, ...]], list[Expr]] = {}
    depth: dict[Expr, int] = {}
    facts = scopes[0].facts
    guarded = {r for e in exprs for r in _guarded_reductions(e, facts)}
    for e in exprs:
        for node in walk(e):
            depth[node] = max((depth[a] for a in node.args), default=0) + (node.op == "reduce")
    for node, level in depth.items():
        if node.op == "reduce" and node not in guarded and facts.free(node) <= scopes[0].axes.keys():
            found.setdefault((level, node.attr[1]), []).append(node)
    for _, nodes in sorted(found.items(), key=lambda item: item[0][0]):
        wanted = [(s, n) for s in scopes for n in dict.fromkeys(nodes) if s.find(n) is None]
        if wanted:
            _emit(wanted)


def _guarded_reductions(expr: Expr, facts: Facts) -> set[Expr]:
    """Reductions that are safe only under a `where`. They are emitted later, under its guard."""
    return {
        r
        for node in walk(expr)
        if node.op == "where"
        for side in node.args[1:]
        if facts.unsafe(side)
        for r in walk(side)
        if r.op == "reduce"
    }


def _emit(wanted: Sequence[tuple[Values, Expr]]) -> list[Lanes]:
    """Compute reductions, all over the same axes and in scopes at the same place; each scope remembers its own."""
    members = [Member(s if s.is_scattered(e) or s.code.width == 1 else scalar(s), e) for s, e in wanted]
    axes: tuple[Axis, ...] = members[0].expr.attr[1]
    if members[0].scope.code.width == 1 and (width := _lanes_along(members, axes[-1])) > 1:
        results = _vectorised(members, axes, width)
    else:
        results = _sequential(members, axes, [m.scope for m in members], _starts(members))
    found = [Lanes(r) for r in results]
    for (scope, e), value in zip(wanted, found):
        scope.remember(e, value)
    return found


def _starts(members: Sequence[Member]) -> list[ir.Value]:
    b = members[0].scope.code.builder
    return [b.splat(_neutral(m), m.scope.code.width if m.scope.is_scattered(m.expr) else 1) for m in members]


def _sequential(
    members: Sequence[Member], axes: Sequence[Axis], scopes: Sequence[Values], totals: list[ir.Value]
) -> list[ir.Value]:
    """Loops over the axes, from outer to inner; straight-line code where that stays short."""
    if not axes:
        return [_step(m, s, t) for m, s, t in zip(members, scopes, totals)]
    first, rest = axes[0], axes[1:]
    copies = _copies(axes)
    is_long_sum = copies > BLOCK and _sums_floats(members)
    if copies * _operations(members) <= UNROLL_LIMIT and not is_long_sum:
        for n in range(_copies(axes[:1])):
            deeper = [inside(s, {first: s.code.builder.i64(n)}) for s in scopes]
            totals = _sequential(members, rest, deeper, totals)
        return totals
    for m, s in zip(members, scopes):
        hoist(s, [m.body], axes)
    return _blocks(members, axes, scopes, totals)


def _operations(members: Sequence[Member]) -> int:
    """How long the code of one term of each member is.

    Where there are rows enough that the order of additions is the same in loops, indices are not counted. They become
    offsets, and in straight-line code rows share what they load: a depthwise convolution loads 13 columns for 7 x 7
    products, not 49.
    """
    is_many = len(members) >= CHAINS
    return sum(_count_values(m.body) if is_many else count_nodes(m.body) for m in members)


def _count_values(expr: Expr) -> int:
    """The operations in an expression without its leaves, and without indices that are linear in the axes."""
    found, wanted = set[Expr](), [expr]
    while wanted:
        node = wanted.pop()
        if node.args and node not in found:
            found.add(node)
            is_linear = node.op == "load" and all(linear(a) is not None for a in node.args)
            wanted += () if is_linear else node.args
    return len(found)


def _blocks(
    members: Sequence[Member], axes: Sequence[Axis], scopes: Sequence[Values], totals: list[ir.Value]
) -> list[ir.Value]:
    """One axis as a loop; a long sum of floats as a loop over blocks of about `BLOCK` terms an accumulator."""
    b, extent, chains = members[0].scope.code.builder, axes[0].extent, 1
    if len(axes) == 1:
        chains = max(1, CHAINS // len(members))
    size = max(1, BLOCK // _copies(axes[1:])) * chains
    is_short = isinstance(extent, int) and extent <= size
    if is_short or not _sums_floats(members):
        return _loop(members, axes, scopes, totals, chains, None, b.dim(extent))
    with b.loop(0, extent, size, carried=totals) as loop:
        count = b.i64(size)
        if not isinstance(extent, int) or extent % size:
            count = b.minimum(b.ir.sub(b.dim(extent), loop.index), count)
        neutral = [b.splat(_neutral(m), lanes_of(t)) for m, t in zip(members, totals)]
        partial = _loop(members, axes, scopes, neutral, chains, loop.index, count)
        loop.next = _merged(members, [*loop.carried, *partial])
    return loop.results


def _sums_floats(members: Sequence[Member]) -> bool:
    return any(m.kind == "sum" and m.expr.dtype.is_float for m in members)


def _loop(
    members: Sequence[Member],
    axes: Sequence[Axis],
    scopes: Sequence[Values],
    totals: list[ir.Value],
    chains: int,
    first: ir.Value | None,
    extent: ir.Value,
) -> list[ir.Value]:
    """`extent` terms of one axis, from `first` on (None: 0); `chains` at a time, each with accumulators of its own."""
    b, count = members[0].scope.code.builder, len(members)

    def at(index: ir.Value, current: list[ir.Value]) -> list[ir.Value]:
        place = index if first is None else b.ir.add(first, index, flags=("nsw",))
        return _sequential(members, axes[1:], [inside(s, {axes[0]: place}) for s in scopes], current)

    done = b.i64(0)
    if chains > 1 and not (isinstance(extent, ir.Constant) and extent.constant < 2 * chains):
        neutral = [b.splat(_neutral(m), lanes_of(t)) for m, t in zip(members, totals)]
        done = _rounded_down(b, extent, chains)
        with b.loop(0, done, chains, carried=totals + neutral * (chains - 1)) as loop:
            for c in range(chains):
                index = b.ir.add(loop.index, b.i64(c)) if c else loop.index
                loop.next += at(index, loop.carried[c * count : (c + 1) * count])
        totals = _merged(members, loop.results)
    if isinstance(done, ir.Constant) and isinstance(extent, ir.Constant) and done.constant == extent.constant:
        return totals
    with b.loop(done, extent, carried=totals) as loop:
        loop.next = at(loop.index, loop.carried)
    return loop.results


def _merged(members: Sequence[Member], totals: Sequence[ir.Value]) -> list[ir.Value]:
    """The accumulators of all chains, combined pair by pair."""
    results = []
    for n, m in enumerate(members):
        parts = list(totals[n :: len(members)])
        while len(parts) > 1:
            half = (len(parts) + 1) // 2
            pairs = zip(parts, parts[half:])
            combined = [_combine(m, x, y) for x, y in pairs]
            parts = combined + parts[len(combined) : half]
        results.append(parts[0])
    return results


def _copies(axes: Sequence[Axis]) -> int:
    """The number of copies of the body in straight-line code; a very large number if it is unknown."""
    total = 1
    for a in axes:
        total *= a.extent if isinstance(a.extent, int) else UNROLL_LIMIT + 1
    return total


def _neutral(member: Member) -> ir.Constant:
    dtype = member.expr.dtype
    return ir.Constant(register_type(dtype), neutral(member.kind, dtype))


def _step(member: Member, scope: Values, total: ir.Value) -> ir.Value:
    return _combine(member, *scope.code.together([total, scope.value(member.body).value]))


def _combine(member: Member, x: ir.Value, y: ir.Value) -> ir.Value:
    return combine(member.scope.code.builder, member.kind, member.expr.dtype, x, y)


def combine(b: KernelBuilder, kind: str, dtype: DType, x: ir.Value, y: ir.Value) -> ir.Value:
    """One step of a reduction."""
    return arithmetic.binary(b, COMBINES[kind], dtype, x, y)


def _lanes_along(members: Sequence[Member], last: Axis) -> int:
    """The best number of lanes along an axis: 1 if more loads are strided or gathered than contiguous."""
    b = members[0].scope.code.builder
    contiguous = strided = 0
    for m in members:
        for e in walk(m.body):
            if e.op == "load":
                address = m.scope.facts.address(e.attr, e.args)
                step = address.form.coefficients.get(last, 0)
                varies = any(last in m.scope.facts.free(atom) for atom, _ in address.atoms)
                contiguous += step == 1 and not varies
                strided += varies or step not in (0, 1)
    if strided > contiguous:
        return 1
    lanes = b.lanes
    if isinstance(last.extent, int):
        while lanes > 1 and lanes >= 2 * last.extent:
            lanes //= 2
        if last.extent < 4:
            return 1
    return lanes


def _vectorised(members: Sequence[Member], axes: Sequence[Axis], width: int) -> list[ir.Value]:
    """The last axis in vectors of `width`, `CHAINS` of them in flight; then the lanes in a fixed order."""
    b = members[0].scope.code.builder
    starts = [b.splat(s, width) for s in _starts(members)]
    chains = CHAINS if not isinstance(axes[-1].extent, int) or axes[-1].extent >= 2 * width * CHAINS else 1
    totals = starts * chains
    for m in members:
        hoist(m.scope, [m.body], axes)
    totals = _nest(members, axes, [m.scope for m in members], totals, width, chains)
    return [across_lanes(b, m.kind, m.expr.dtype, t) for m, t in zip(members, _merged(members, totals))]


def _nest(
    members: Sequence[Member],
    axes: Sequence[Axis],
    scopes: Sequence[Values],
    totals: list[ir.Value],
    width: int,
    chains: int,
) -> list[ir.Value]:
    b = members[0].scope.code.builder
    if len(axes) > 1:
        with b.loop(0, axes[0].extent, carried=totals) as loop:
            deeper = [inside(s, {axes[0]: loop.index}) for s in scopes]
            loop.next = _nest(members, axes[1:], deeper, loop.carried, width, chains)
        return loop.results
    return _along(members, axes[0], scopes, totals, width, chains)


def _along(
    members: Sequence[Member], last: Axis, scopes: Sequence[Values], totals: list[ir.Value], width: int, chains: int
) -> list[ir.Value]:
    """One row: blocks of `chains` vectors, then single vectors, then a masked (or scalar) tail."""
    b = members[0].scope.code.builder
    count = len(members)
    extent = b.dim(last.extent)

    def vector(total: list[ir.Value], at: ir.Value, chain: int, lanes: int, mask: ir.Value | None) -> list[ir.Value]:
        deeper = [inside(s, {last: at}, vector=last, width=lanes, mask=mask) for s in scopes]
        following = list(total)
        for n, (m, s) in enumerate(zip(members, deeper)):
            place = chain * count + n
            following[place] = _masked_step(m, s, total[place], width)
        return following

    step = width * chains
    done = _rounded_down(b, extent, step)
    with b.loop(0, done, step, carried=totals) as loop:
        totals = loop.carried
        for c in range(chains):
            totals = vector(totals, b.ir.add(loop.index, b.i64(c * width)), c, width, None)
        loop.next = totals
    totals = loop.results
    if chains > 1:
        whole = _rounded_down(b, extent, width)
        with b.loop(done, whole, width, carried=totals) as loop:
            loop.next = vector(loop.carried, loop.index, 0, width, None)
        totals, done = loop.results, whole
    if isinstance(last.extent, int) and last.extent % width == 0:
        return totals
    with b.loop(done, extent, width, carried=totals) as loop:
        mask = tail_mask(b, loop.index, extent, width)
        loop.next = vector(loop.carried, loop.index, 0, width, mask)
    return loop.results


def _masked_step(member: Member, scope: Values, total: ir.Value, width: int) -> ir.Value:
    b, mask = scope.code.builder, scope.code.mask
    value = b.splat(scope.value(member.body).value, width)
    if mask is not None:
        value = b.ir.select(mask, value, b.splat(_neutral(member), width))
    return _combine(member, total, value)


def tail_mask(b: KernelBuilder, at: ir.Value, end: ir.Value, lanes: int) -> ir.Value:
    """The lanes with at + lane < end."""
    left = b.ir.trunc(b.minimum(b.ir.sub(end, at), b.i64(lanes)), I32)
    return b.ir.icmp_signed("<", b.iota(lanes, I32), b.splat(left, lanes))


def across_lanes(b: KernelBuilder, kind: str, dtype: DType, value: ir.Value) -> ir.Value:
    """Combine all lanes: halves are folded onto each other until one is left."""
    lanes = value.type.count
    while lanes > 1:
        half = lanes // 2
        undefined = ir.Constant(value.type, ir.Undefined)
        low = b.ir.shuffle_vector(value, undefined, ir.Constant(ir.VectorType(I32, half), list(range(half))))
        high = b.ir.shuffle_vector(value, undefined, ir.Constant(ir.VectorType(I32, half), list(range(half, lanes))))
        value = combine(b, kind, dtype, low, high)
        lanes = half
    return b.ir.extract_element(value, ir.Constant(I32, 0))


def _rounded_down(b: KernelBuilder, extent: ir.Value, step: int) -> ir.Value:
    if isinstance(extent, ir.Constant):
        return b.i64(extent.constant // step * step)
    return b.ir.and_(extent, b.i64(-step))
