"""Addresses, ranges, and what is proven to lie inside a slot."""

from __future__ import annotations

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.kernels.facts import FAR, Facts, conjuncts, flatten, unclamped, without_clamps
from burnish.ops.language.expr import Axis, axis, binary, dim, load, reduce
from tests.targets.cpu.reference_loops import dense

N = symbol("n")
A, S = Axis("a", 6), Axis("s", N)
X = dense(DType.F32, (6, N))
FLAT = dense(DType.F32, (60,))


def test_terms_of_one_axis_are_gathered():
    address = flatten(FLAT, [axis(A) * 7 + (axis(A) - 2) * 3])
    assert address.form.coefficients == {A: 10} and address.form.constant == -6 and address.atoms == ()


def test_what_is_not_linear_is_an_atom_with_its_stride():
    clamp = binary("max", binary("min", axis(A), 4), 0)
    address = flatten(FLAT, [clamp * 10 + axis(A)])
    assert address.form.coefficients == {A: 1} and address.atoms == ((clamp, 10),)


def test_ranges_follow_the_arithmetic():
    facts = Facts([FLAT])
    assert facts.range(axis(A) * 3 - 4) == (-4, 11)
    assert facts.range(binary("max", axis(S) - 5, 0)) == (0, FAR)
    assert facts.range((axis(A) + 10) // 4) == (2, 3)
    assert facts.range((axis(A) + 10) % 4) == (0, 3)


def test_symbolic_bounds_are_exact():
    facts = Facts([X])
    assert facts.difference(axis(S), dim(N)) == (1, N)
    assert facts.is_inside(load(0, DType.F32, [axis(A), axis(S)]))
    assert not facts.is_inside(load(0, DType.F32, [axis(A), axis(S) + 1]))
    assert not facts.is_inside(load(0, DType.F32, [axis(A) - 1, axis(S)]))


def test_a_flat_symbolic_index_is_inside_too():
    facts = Facts([dense(DType.F32, (6 * N,))])
    assert facts.is_inside(load(0, DType.F32, [axis(A) * dim(N) + axis(S)]))
    assert facts.unsafe(load(0, DType.F32, [axis(A) * dim(N) + axis(S) + 1]))


def test_indexes_from_data_are_inside_when_they_are_clamped():
    facts = Facts([dense(DType.F32, (9,)), dense(DType.I64, (6,))])
    row = load(1, DType.I64, [axis(A)])
    assert not facts.is_inside(load(0, DType.F32, [row]))
    assert facts.is_inside(load(0, DType.F32, [binary("max", binary("min", row, 8), 0)]))


def test_a_clamp_is_undone_only_by_both_of_its_conditions():
    x = axis(A) * 2 - 3
    clamp = binary("max", binary("min", x, 9), 0)
    low, high = binary("ge", x, 0), binary("lt", x, 10)
    address = flatten(FLAT, [clamp * 5 + axis(A)])
    plain = flatten(FLAT, [x * 5 + axis(A)])
    assert unclamped(address, [clamp], conjuncts(binary("and", low, high))) == (plain, True)
    assert unclamped(address, [], conjuncts(binary("and", low, high))) == (address, False)
    assert unclamped(address, [clamp], conjuncts(low)) == (address, False)
    assert unclamped(address, [clamp], conjuncts(binary("and", low, binary("lt", x, 11)))) == (address, False)


def test_each_end_of_a_clamp_is_undone_by_its_own_condition():
    x, last = axis(S) - 1, dim(N) - 1
    clamp = binary("max", binary("min", x, last), 0)
    assert without_clamps(clamp, conjuncts(binary("le", x, last))) is binary("max", x, 0)
    assert without_clamps(clamp, conjuncts(binary("lt", x, dim(N)))) is binary("max", x, 0)
    assert without_clamps(binary("max", x, 0), conjuncts(binary("ge", x, 0))) is x
    assert without_clamps(clamp, conjuncts(binary("lt", axis(S), dim(N)))) is clamp


def test_a_reduction_is_found_wherever_it_is():
    facts = Facts([X])
    total = reduce("sum", (S,), load(0, DType.F32, [axis(A), axis(S)]))
    assert facts.reduces(total * 2.0) and not facts.reduces(total.args[0])
