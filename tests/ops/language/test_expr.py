"""Expressions: interned, folded exactly, whichever thread builds them."""

from __future__ import annotations

import threading

import pytest

from burnish.dtypes import DType
from burnish.ops.language.expr import Axis, Expr, axis, binary, const, unary


@pytest.mark.parametrize(
    "x, y", [(7, 2), (-7, 2), (7, -2), (-7, -2), (0, 5), (2**62 + 1, 1), (2**62 + 1, -1), (-(2**61) - 3, 3)]
)
def test_integer_division_truncates_exactly(x: int, y: int):
    quotient = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
    assert binary("div", const(x, DType.I64), const(y, DType.I64)) is const(quotient, DType.I64)


def test_equal_expressions_are_one_object_in_every_thread():
    rounds, threads = 300, 4
    made: list[list[Expr]] = [[] for _ in range(threads)]
    together = threading.Barrier(threads)

    def build(number: int) -> None:
        for n in range(rounds):
            together.wait()
            made[number].append(unary("neg", axis(Axis(f"t{n}", 3)) + n))

    workers = [threading.Thread(target=build, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(a is b for a, b in zip(made[0], made[1]))
    assert len({id(e) for es in made for e in es}) == rounds
