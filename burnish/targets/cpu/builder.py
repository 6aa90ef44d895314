"""A thin layer over llvmlite.ir for writing kernels: signature, loops, shares, dims, constants, intrinsics.

    void kernel(i8 *slot0, ..., i64 *dims, i8 *scratch, i64 thread, i64 threads)      (docs/native-abi.md)

Instructions are emitted at the builder's position; dims are computed once, in a prologue that dominates everything.
Pointers are opaque: loads and geps name their element type. A vector of one lane is a scalar.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from llvmlite import ir

from burnish import dims as dim_rules
from burnish.dims import Dim, DimExpr, Operation
from burnish.target import LEVELS, Target

I1, I8, I16, I32, I64 = (ir.IntType(n) for n in (1, 8, 16, 32, 64))
F16, F32, F64 = ir.HalfType(), ir.FloatType(), ir.DoubleType()
POINTER = ir.PointerType()
Block = ir.Block


@dataclass(frozen=True)
class KernelContext:
    """Where kernels are emitted: a module for one target, and the place of each symbol in the dims table."""

    module: ir.Module
    target: Target
    symbol_index: dict[str, int]


@dataclass
class Loop:
    """An open loop: its index, its carried values; set `next` before the end; `results` after it."""

    index: ir.Value
    carried: list[ir.Value]
    next: list[ir.Value] = field(default_factory=list)
    results: list[ir.Value] = field(default_factory=list)


class KernelBuilder:
    """Writes one kernel. `private`: slots whose bytes no other slot of the same launch touches (noalias)."""

    def __init__(self, context: KernelContext, name: str, slots: int, private: frozenset[int] = frozenset()) -> None:
        self.context, self.target, self.module = context, context.target, context.module
        parameters = [POINTER] * slots + [POINTER, POINTER, I64, I64]
        self.function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), parameters), name)
        self.function.linkage = "internal"
        protect(self.function)
        self.slots: tuple[ir.Value, ...] = tuple(self.function.args[:slots])
        for n in private:
            self.slots[n].add_attribute("noalias")
        self.dims, self.scratch, self.thread, self.threads = self.function.args[slots:]
        prologue, body = self.function.append_basic_block("prologue"), self.function.append_basic_block("body")
        self.prologue = ir.IRBuilder(prologue)
        self.prologue.position_before(self.prologue.branch(body))
        self.ir = ir.IRBuilder(body)
        self._dims: dict[Dim, ir.Value] = {}

    # -- target ---------------------------------------------------------------------------------------------------

    def at_least(self, level: str) -> bool:
        """Is the target's level (x86-64-v2, v3, v4) this one or higher?"""
        return LEVELS.index(self.target.level) >= LEVELS.index(level)

    @property
    def has_fma(self) -> bool:
        return self.at_least("x86-64-v3")

    @property
    def lanes(self) -> int:
        """f32 elements of a SIMD register."""
        return self.target.vector_bytes // 4

    # -- values ---------------------------------------------------------------------------------------------------

    def i64(self, value: int) -> ir.Constant:
        return ir.Constant(I64, value)

    def dim(self, value: Dim) -> ir.Value:
        """A dimension as an i64, computed once in the prologue."""
        if isinstance(value, int):
            return self.i64(value)
        found = self._dims.get(value)
        if found is None:
            found = self._dims[value] = self._sum_of_terms(value)
        return found

    def index(self, value: Dim | ir.Value) -> ir.Value:
        """A dim, an int or an i64, converted to i64."""
        return self.dim(value) if isinstance(value, int | DimExpr) else value

    def splat(self, value: ir.Value, lanes: int) -> ir.Value:
        """The scalar in every lane."""
        if lanes == 1 or isinstance(value.type, ir.VectorType):
            return value
        kind = ir.VectorType(value.type, lanes)
        if isinstance(value, ir.Constant) and value.constant != ir.Undefined:
            return ir.Constant(kind, [value.constant] * lanes)
        undefined = ir.Constant(kind, ir.Undefined)
        first = self.ir.insert_element(undefined, value, ir.Constant(I32, 0))
        return self.ir.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))

    def iota(self, lanes: int, kind: ir.Type = I64) -> ir.Value:
        """0, 1, 2 ... (a scalar 0 for one lane)."""
        if lanes == 1:
            return ir.Constant(kind, 0)
        return ir.Constant(ir.VectorType(kind, lanes), list(range(lanes)))

    def address(self, base: ir.Value, offset: ir.Value | int, element: ir.Type) -> ir.Value:
        """base + offset elements."""
        if isinstance(offset, int):
            offset = self.i64(offset)
        if isinstance(offset, ir.Constant) and offset.constant == 0:
            return base
        return self.ir.gep(base, [offset], source_etype=element)

    def load(self, pointer: ir.Value, kind: ir.Type, align: int) -> ir.Value:
        return self.ir.load(pointer, align=align, typ=kind)

    def call(self, intrinsic: str, result: ir.Type, arguments: Sequence[ir.Value]) -> ir.Value:
        """Call an LLVM intrinsic by its full name, declaring it once."""
        found = self.module.globals.get(intrinsic)
        if found is None:
            found = ir.Function(self.module, ir.FunctionType(result, [a.type for a in arguments]), intrinsic)
        return self.ir.call(found, arguments)

    def multiply_add(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """a * b + c, rounded once if the level has FMA and twice if not."""
        if self.has_fma:
            return self.call(f"llvm.fma.{type_suffix(a.type)}", a.type, [a, b, c])
        return self.ir.fadd(self.ir.fmul(a, b), c)

    def choose(self, condition: ir.Value, then: ir.Value, otherwise: ir.Value) -> ir.Value:
        """A select that LLVM never turns into a branch: for conditions that no processor can predict."""
        found = self.ir.select(condition, then, otherwise)
        if isinstance(found, ir.Instruction):
            found.set_metadata("unpredictable", self.module.add_metadata([]))
        return found

    # -- control --------------------------------------------------------------------------------------------------

    @contextmanager
    def loop(
        self, lo: Dim | ir.Value, hi: Dim | ir.Value, step: int | ir.Value = 1, carried: Sequence[ir.Value] = ()
    ) -> Iterator[Loop]:
        """for index in range(lo, hi, step), step > 0. Carried values: set `loop.next`, then read `loop.results`."""
        lo, hi, step = self.index(lo), self.index(hi), self.index(step)
        before = self.ir.block
        head = self.function.append_basic_block("loop")
        done = self.function.append_basic_block("done")
        if _less(lo, hi):
            self.ir.branch(head)
        else:
            self.ir.cbranch(self.ir.icmp_signed("<", lo, hi), head, done)
        self.ir.position_at_end(head)
        index = self.ir.phi(I64, "i")
        index.add_incoming(lo, before)
        phis = [self.ir.phi(c.type) for c in carried]
        for phi, start in zip(phis, carried):
            phi.add_incoming(start, before)
        state = Loop(index, list(phis))
        yield state
        assert len(state.next) == len(phis), "a loop's carried values must be set"
        following = self.ir.add(index, step, flags=("nsw",))
        end = self.ir.block
        index.add_incoming(following, end)
        for phi, value in zip(phis, state.next):
            phi.add_incoming(value, end)
        self.ir.cbranch(self.ir.icmp_signed("<", following, hi), head, done)
        self.ir.position_at_end(done)
        for start, value in zip(carried, state.next):
            result = self.ir.phi(start.type)
            if not _less(lo, hi):
                result.add_incoming(start, before)
            result.add_incoming(value, end)
            state.results.append(result)

    @contextmanager
    def when(self, condition: ir.Value) -> Iterator[None]:
        """if condition: ..."""
        then, after = self.function.append_basic_block("then"), self.function.append_basic_block("after")
        self.ir.cbranch(condition, then, after)
        self.ir.position_at_end(then)
        yield
        self.ir.branch(after)
        self.ir.position_at_end(after)

    def minimum(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """The smaller of two i64."""
        if isinstance(a, ir.Constant) and isinstance(b, ir.Constant):
            return a if a.constant <= b.constant else b
        return self.ir.select(self.ir.icmp_signed("<", a, b), a, b)

    def share(self, n: Dim | ir.Value, block: int = 1) -> tuple[ir.Value, ir.Value]:
        """This thread's part [lo, hi) of [0, n). Parts are whole blocks; only the last block may be shorter."""
        n = self.index(n)
        units = n if block == 1 else self.ir.udiv(self.ir.add(n, self.i64(block - 1)), self.i64(block))
        lo = self.ir.udiv(self.ir.mul(units, self.thread), self.threads)
        hi = self.ir.udiv(self.ir.mul(units, self.ir.add(self.thread, self.i64(1))), self.threads)
        if block == 1:
            return lo, hi
        return self.ir.mul(lo, self.i64(block)), self.minimum(self.ir.mul(hi, self.i64(block)), n)

    def only_thread_zero(self) -> None:
        """Return at once on every other thread."""
        rest, leave = self.function.append_basic_block("serial"), self.function.append_basic_block("leave")
        self.ir.cbranch(self.ir.icmp_unsigned("==", self.thread, self.i64(0)), rest, leave)
        self.ir.position_at_end(leave)
        self.ir.ret_void()
        self.ir.position_at_end(rest)

    def finish(self) -> ir.Function:
        """Return from the kernel. The function is then complete."""
        self.ir.ret_void()
        return self.function

    # -- dims -----------------------------------------------------------------------------------------------------

    def _sum_of_terms(self, value: DimExpr) -> ir.Value:
        total: ir.Value | None = None
        for monomial, coefficient in value.terms:
            term: ir.Value | None = None
            for atom in monomial:
                factor = self._operation(atom) if isinstance(atom, Operation) else self._symbol(atom.name)
                term = factor if term is None else self.prologue.mul(term, factor)
            if term is None:
                term = self.i64(coefficient)
            elif coefficient != 1:
                term = self.prologue.mul(term, self.i64(coefficient))
            total = term if total is None else self.prologue.add(total, term)
        assert total is not None
        return total

    def _symbol(self, name: str) -> ir.Value:
        key = dim_rules.symbol(name)
        if key not in self._dims:
            place = self.prologue.gep(self.dims, [self.i64(self.context.symbol_index[name])], source_etype=I64)
            self._dims[key] = self.prologue.load(place, align=8, typ=I64)
        return self._dims[key]

    def _operation(self, atom: Operation) -> ir.Value:
        a, b = self.dim(atom.left), self.dim(atom.right)
        if atom.name in ("max", "min"):
            return self.prologue.select(self.prologue.icmp_signed("<" if atom.name == "min" else ">", a, b), a, b)
        return divide_rounding_down(self.prologue, a, b, atom.name == "mod")


def divide_rounding_down(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, remainder: bool) -> ir.Value:
    """a // b or a mod b by Python's rule, on scalars or vectors; a divisor of 0 counts as 1 and so never traps."""
    zero, one = ir.Constant(a.type, None), _ones(a.type)
    if not (isinstance(b, ir.Constant) and b.constant not in (0, None)):
        b = builder.select(builder.icmp_signed("==", b, zero), one, b)
    quotient = builder.sdiv(a, b)
    rest = builder.sub(a, builder.mul(quotient, b))
    signs_differ = builder.icmp_signed("<", builder.xor(rest, b), zero)
    inexact = builder.and_(builder.icmp_signed("!=", rest, zero), signs_differ)
    if remainder:
        return builder.add(rest, builder.select(inexact, b, zero))
    return builder.sub(quotient, builder.select(inexact, one, zero))


def protect(function: ir.Function) -> None:
    """Forbid unwinding, and calls of memcpy or memset in place of loops: the object has no external symbol."""
    function.attributes.add("nounwind")
    set.add(function.attributes, '"no-builtins"')  # llvmlite checks names of attributes; it prints any


def type_suffix(kind: ir.Type) -> str:
    """How intrinsics spell a type: f32, v16f32, i64 ..."""
    if isinstance(kind, ir.VectorType):
        return f"v{kind.count}{type_suffix(kind.element)}"
    return str(kind.intrinsic_name)


def lanes_of(value: ir.Value) -> int:
    """1 for a scalar."""
    return int(value.type.count) if isinstance(value.type, ir.VectorType) else 1


def element_of(value: ir.Value) -> ir.Type:
    """The type of one lane."""
    return value.type.element if isinstance(value.type, ir.VectorType) else value.type


def vector_type(element: ir.Type, lanes: int) -> ir.Type:
    """A vector of lanes elements; the element itself for one lane."""
    return element if lanes == 1 else ir.VectorType(element, lanes)


def _ones(kind: ir.Type) -> ir.Constant:
    return ir.Constant(kind, [1] * kind.count) if isinstance(kind, ir.VectorType) else ir.Constant(kind, 1)


def _less(lo: ir.Value, hi: ir.Value) -> bool:
    """Is lo < hi known at build time?"""
    return isinstance(lo, ir.Constant) and isinstance(hi, ir.Constant) and lo.constant < hi.constant
