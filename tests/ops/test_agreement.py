from __future__ import annotations

import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.ops.agreement import agree, agree_all, agree_at, claims, not_empty, scalar
from burnish.ops.language.definition import Tensor
from burnish.ops.language.ordering import sizes_within
from burnish.ops.registry import Misfit

N, M = symbol("n"), symbol("m")


def test_numbers_are_decided_at_once():
    with claims() as found:
        assert agree(3, 3, "it") == 3
        agree(1, 3, "it", "stretch")
        with pytest.raises(Misfit, match="it are 3 and 4; they must be equal"):
            agree(3, 4, "it")
    assert not found


def test_a_symbol_is_a_claim_and_the_number_is_the_answer():
    with claims() as found:
        assert agree(N, 4, "it") == 4
        assert agree(4, N, "it") == 4
        assert agree(N, N, "it") == N
        assert agree(N, M, "it", "broadcast") == N
        assert agree(N, M, "it", "broadcast") == N
    assert [(c.left, c.right, c.rule) for c in found] == [(N, 4, "equal"), (4, N, "equal"), (N, M, "broadcast")]


@pytest.mark.parametrize("rule", ["equal", "broadcast", "stretch", "at_most", "above"])
def test_what_no_run_can_satisfy_is_no_valid_model(rule: str):
    with sizes_within({"n": (5, 9), "m": (2, 4)}), pytest.raises(Misfit):
        agree(*((M, N) if rule == "above" else (N, M)), "it", rule)


def test_what_every_run_satisfies_is_no_claim():
    with sizes_within({"n": (5, 9), "m": (2, 4)}), claims() as found:
        agree(M, N, "it", "at_most")
        agree(N, M, "it", "above")
        agree(N, 1, "it", "broadcast")
        agree(1, N, "it", "stretch")
        agree(N, 1, "it", "multiple")
        agree(8 * N, 8, "it", "multiple")
        agree(8 * N + 24 * M, 4, "it", "multiple")
        agree(N * M, M, "it", "multiple")
        agree(0, M, "it", "multiple")
    assert not found


def test_a_multiple_that_a_run_can_break_is_a_claim():
    with sizes_within({"n": (0, 9), "m": (0, 4)}), claims() as found:
        agree(8 * N + 4, 8, "it", "multiple")
        agree(N * M, M, "it", "multiple")  # m may be 0
        agree(N, 3, "it", "multiple")
    assert [c.rule for c in found] == ["multiple"] * 3


def test_axes_are_named_with_their_tensors():
    a, b = Tensor("a", DType.F32, (2, N)), Tensor("b", DType.F32, (M, 2))
    with claims() as found:
        agree_at(a, -1, b, 0)
    assert found[0].what == "axis 1 of 'a' and axis 0 of 'b'"


def test_shapes_agree_from_their_last_axis():
    with claims() as found:
        agree_all((N,), (2, 3), "bias and result", "stretch")
    assert [(c.left, c.right) for c in found] == [(N, 3)]
    for one, other, rule in (((2, 3), (3,), "stretch"), ((3,), (2, 3), "equal")):
        with pytest.raises(Misfit):
            agree_all(one, other, "it", rule)


def test_what_is_read_must_be_there():
    x = Tensor("x", DType.F32, (N, 3))
    with claims() as found:
        not_empty(x, 1)
        not_empty(x, 0, 0)
        with sizes_within({"n": (1, 9)}):
            not_empty(x, 0)
    assert not found
    with claims() as found:
        not_empty(x, 0, M)
    assert [c.rule for c in found] == ["at_most"]
    with pytest.raises(Misfit):
        not_empty(Tensor("x", DType.F32, (0,)), 0)


def test_a_scalar_holds_one_element():
    with claims() as found:
        scalar(Tensor("a", DType.F32, (N, 1)))
    assert [(c.left, c.right) for c in found] == [(N, 1)]
    with pytest.raises(Misfit):
        scalar(Tensor("a", DType.F32, (2,)))
