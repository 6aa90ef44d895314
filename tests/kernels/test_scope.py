"""A scope writes each expression once, where it belongs; the instructions here write lines of text."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.kernels.scope import Scope
from burnish.kernels.slot import Slot
from burnish.kernels.task import Store
from burnish.ops.language.expr import Axis, axis, binary, const, dim, load, reduce, unary, where
from tests.targets.cpu.reference_loops import dense

N = symbol("n")
I, J = Axis("i", 6), Axis("j", 8)
X, OPEN, ROWS = dense(DType.F32, (6, 8)), dense(DType.F32, (N,)), dense(DType.I64, (6,))


@dataclass
class Lines:
    """Instructions that write a line for all that is not a leaf."""

    lines: list[str] = field(default_factory=list)
    sums_indexes: bool = True

    def let(self, text):
        self.lines.append(text)
        return f"v{len(self.lines)}"

    def const(self, value, dtype):
        return str(value)

    def dim(self, value):
        return str(value)

    def index(self, place):
        return place

    def unary(self, op, dtype, x):
        return self.let(f"{op} {x}")

    def binary(self, op, dtype, x, y, ranges):
        return self.let(f"{op} {x} {y}")

    def cast(self, source, target, x):
        return self.let(f"{target.value} {x}")

    def select(self, dtype, test, x, y):
        return self.let(f"select {test} {x} {y}")

    def negated(self, test):
        return f"!{test}"

    def both(self, x, y):
        return f"{x}&{y}"

    def is_scattered(self, places):
        return True

    def offset(self, constant, axes, atoms, is_scattered):
        terms = [f"{t.value}*{t.factor}" for t in (*axes, *atoms)]
        return "+".join([*sorted(terms), str(constant)])

    def clamped(self, offset, last):
        return f"clamp({offset}, {last})"

    def load(self, number, slot, offset, places, guard):
        return self.let(f"load {number}[{offset}]" + (f" if {guard}" if guard else ""))

    def stored(self, dtype, value):
        return value

    def store(self, number, slot, offset, places, value):
        self.let(f"store {number}[{offset}] {value}")

    def reduce(self, scope, expr):
        return self.let(f"reduce {scope.inside({a: a.name for a in expr.attr[1]}).value(expr.args[0])}")


def scope(*slots, axes=(I, J), **options):
    code = Lines(**options)
    return Scope(code, slots, {a: a.name for a in axes}), code.lines


def element(*index, slot=0, dtype=DType.F32):
    return load(slot, dtype, index)


def test_what_an_outer_scope_has_computed_is_not_computed_again():
    outer, lines = scope(X)
    x = element(axis(I), axis(J))
    assert outer.value(x * x) == "v2"
    assert outer.inside({Axis("k", 4): "k"}).value(unary("exp", x * x)) == "v3"
    assert lines == ["load 0[i*8+j*1+0]", "mul v1 v1", "exp v2"]


def test_an_axis_that_is_bound_anew_has_values_of_its_own():
    outer, lines = scope(X)
    outer.value(element(axis(I), axis(J)))
    outer.value(element(axis(I), const(0, DType.I64)))
    inner = outer.inside({J: "other"})
    assert inner.value(element(axis(I), axis(J))) == "v3" and lines[-1] == "load 0[i*8+other*1+0]"
    assert inner.value(element(axis(I), const(0, DType.I64))) == "v2"


def test_a_load_that_might_leave_its_slot_is_made_where_the_condition_holds():
    outer, lines = scope(OPEN)
    is_inside = binary("lt", axis(I), dim(N))
    x = element(axis(I) + 1)
    outer.value(where(is_inside, unary("exp", x), x))
    assert lines == ["lt i n", "load 0[i*1+1] if v1", "exp v2", "load 0[i*1+1] if !v1", "select v1 v3 v4"]


def test_conditions_around_a_load_all_guard_it_and_what_loads_nothing_is_outside_of_them():
    outer, lines = scope(OPEN)
    first, second = binary("lt", axis(I), dim(N)), binary("lt", axis(J), dim(N))
    x, far = element(axis(I) + 1), unary("sqrt", binary("add", const(2.0, DType.F32), const(1.0, DType.F32)))
    outer.value(where(first, where(second, x * far, far), const(0, DType.F32)))
    assert [line for line in lines if "load" in line] == ["load 0[i*1+1] if v1&v2"]
    assert outer.find(far) is not None


def test_a_load_that_is_inside_whatever_the_axes_are_needs_no_guard():
    outer, lines = scope(X)
    outer.value(where(binary("lt", axis(I), 3), element(axis(I), axis(J)), const(0, DType.F32)))
    assert "load 0[i*8+j*1+0]" in lines


def test_a_clamp_that_the_condition_makes_superfluous_is_left_out():
    outer, lines = scope(X)
    j = axis(J) - 2
    clamped = binary("max", binary("min", j, 7), 0)
    inside = binary("and", binary("ge", j, 0), binary("le", j, 7))
    outer.value(where(inside, element(axis(I), clamped), const(0, DType.F32)))
    assert "load 0[i*8+j*1+-2] if v3" in lines and not any("clamp" in line for line in lines)


@pytest.mark.parametrize("slot, loaded", [
    (X, "load 0[clamp(j*1+v1*8+0, 47)]"),
    (Slot(DType.F32, (6, 8), (-8, 1)), "load 0[j*1+v1*-8+0]"),  # its first element is not where it begins
])  # fmt: skip
def test_an_index_from_data_is_clamped_into_its_slot(slot, loaded):
    outer, lines = scope(slot, ROWS)
    row = element(axis(I), slot=1, dtype=DType.I64)
    outer.value(element(row, axis(J)))
    assert lines[1:] == [loaded]
    outer.value(element(binary("max", binary("min", row, 5), 0), axis(J)))
    assert "clamp" not in lines[-1]


def test_every_value_comes_before_the_first_store():
    outer, lines = scope(X)
    x, y = element(axis(I), axis(J)), element(axis(I), const(0, DType.I64))
    outer.stores([Store(0, (axis(I), axis(J)), -x), Store(0, (axis(I), const(0, DType.I64)), -y)])
    assert [line.split()[0] for line in lines] == ["load", "neg", "load", "neg", "store", "store"]


def test_what_does_not_depend_on_a_loops_axes_is_hoisted_unless_a_condition_guards_it():
    outer, lines = scope(X, OPEN, axes=(I,))
    row, far = element(axis(I), const(0, DType.I64)), element(axis(I) + 1, slot=1)
    total = reduce("sum", (Axis("r", 8),), element(axis(I), axis(Axis("r", 8))))
    guarded = where(binary("lt", axis(J), 3), far, unary("exp", row))
    body = element(axis(I), axis(J)) * unary("sqrt", total) + guarded
    assert outer.invariants([body], [J]) == [unary("sqrt", total), unary("exp", row)]
    outer.hoist([body], [J])
    assert lines == ["load 0[i*8+r*1+0]", "reduce v1", "sqrt v2", "load 0[i*8+0]", "exp v4"]


@pytest.mark.parametrize("sums, lines", [(True, []), (False, ["mul i 3", "add v1 j"])])
def test_index_arithmetic_is_one_sum_or_operations_as_the_target_wants(sums, lines):
    outer, found = scope(axes=(I, J), sums_indexes=sums)
    outer.value(axis(I) * 3 + axis(J))
    assert found == lines
