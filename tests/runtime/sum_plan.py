"""A small plan that the runtime's tests run, and the check of a refusal."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from burnish.dims import symbol
from burnish.errors import BurnishError, UserError
from burnish.plan import Plan
from burnish.target import Target
from tests.targets.cpu.programs import Maker

X = np.linspace(-1, 1, 64, dtype=np.float32)


def sum_plan(targets: tuple[Target, ...] = (), spread: bool = False) -> Plan:
    """y = x + 2 * other, for vectors of 1 to 128 elements."""
    n = symbol("n")
    m = Maker(n, {"n": (1, 64, 128)})
    x, other, t, y = m.input("x"), m.input("any name"), m.storage("arena"), m.output("y")
    m.pointwise(lambda a: a + a, other, t)
    m.pointwise(lambda a, b: a + b, x, t, y)
    return m.plan(targets, spread)


def with_variant(plan: Plan, **changes: object) -> Plan:
    variant = dataclasses.replace(plan.manifest.variants[0], **changes)
    return dataclasses.replace(plan, manifest=dataclasses.replace(plan.manifest, variants=(variant,)))


def refused(code: str, call: Callable[[], object], *, says: str = "") -> BurnishError:
    with pytest.raises(UserError) as caught:
        call()
    assert caught.value.code == code
    assert says in str(caught.value)
    return caught.value
