"""shapes.py: symbols are solved by direct match, expressions checked, refusals name input, axis and range."""

from __future__ import annotations

import pytest

from burnish.dims import Dim, ceildiv, symbol, symbol_name
from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.plan.manifest import Manifest, SymbolRange, TensorSpec
from burnish.requirement import Requirement
from burnish.runtime.shapes import bind_shapes, profile_shapes, shape_rules

N, M = symbol("n"), symbol("m")


def manifest(*shapes: tuple[Dim, ...], outputs: tuple[tuple[Dim, ...], ...] = ()) -> Manifest:
    symbols = (SymbolRange("n", 1, 4, 8), SymbolRange("m", 0, 5, 9), SymbolRange("found", 0, 1, 0, from_data=True))
    inputs = tuple(TensorSpec(f"in{i}", DType.F32, shape, i) for i, shape in enumerate(shapes))
    results = tuple(TensorSpec(f"out{i}", DType.F32, shape, 9) for i, shape in enumerate(outputs))
    return Manifest("p", "m", "0", {}, symbols, inputs, results, ())


def code(m: Manifest, *shapes: tuple[int, ...]) -> str:
    with pytest.raises(UserError) as caught:
        bind_shapes(shape_rules(m), shapes)
    return caught.value.code


def test_symbols_are_solved_and_output_shapes_follow():
    m = manifest((N, 3), (M,), outputs=((ceildiv(N, 2), 2 * M),))
    bound = bind_shapes(shape_rules(m), [(7, 3), (0,)])
    assert (bound.values, bound.outputs) == ({"n": 7, "m": 0}, ((4, 0),))


def test_a_shape_that_data_decides_is_not_known():
    assert bind_shapes(shape_rules(manifest((N,), outputs=((symbol("found"),),))), [(2,)]).outputs == (None,)


def test_an_expression_is_checked_when_its_symbols_are_known():
    m = manifest((2 * N,), (N,))
    assert bind_shapes(shape_rules(m), [(6,), (3,)]).values["n"] == 3
    assert code(m, (7,), (3,)) == "E505"


def test_refusals():
    m = manifest((N, 3), (N,))
    assert code(m, (4,), (4,)) == "E504"
    assert code(m, (4, 2), (4,)) == "E505"
    assert code(m, (9, 3), (9,)) == "E505"
    assert code(m, (0, 3), (0,)) == "E505"
    assert code(m, (4, 3), (5,)) == "E506"


def test_what_the_steps_require_of_the_inputs_is_asked_when_shapes_are_bound():
    of_inputs, of_data = Requirement("a", "b", N, M, "broadcast"), Requirement("a", "b", N, symbol("found"), "equal")
    rules = shape_rules(manifest((N,), (M,)), (of_inputs, of_data))
    assert rules.required == (of_inputs,)
    for n, m in ((1, 3), (3, 1), (1, 0), (2, 2)):
        assert bind_shapes(rules, [(n,), (m,)]).values["m"] == m
    with pytest.raises(UserError, match="sizes 2 and 0") as caught:
        bind_shapes(rules, [(2,), (0,)])
    assert caught.value.code == "E509"


def test_an_output_of_a_negative_size_is_refused():
    rules = shape_rules(manifest((N,), outputs=((N - 3,),)))
    assert bind_shapes(rules, [(3,)]).outputs == ((0,),)
    with pytest.raises(UserError, match="E509: the plan's output 0 would have the shape"):
        bind_shapes(rules, [(2,)])


def test_the_profiles_shapes_are_its_own():
    m = manifest((N, 3), (M,))
    assert profile_shapes(m) == {"in0": (4, 3), "in1": (5,)}
    assert profile_shapes(m, "max") == {"in0": (8, 3), "in1": (9,)}


@pytest.mark.parametrize(("dim", "name"), [(N, "n"), (3, None), (2 * N, None), (N + 1, None), (N * M, None)])
def test_only_a_bare_symbol_has_a_name(dim: Dim, name: str | None):
    assert symbol_name(dim) == name
