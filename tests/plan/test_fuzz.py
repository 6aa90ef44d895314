"""Forged manifests with right checksums: whatever stands in them, reading ends in a plan or in a coded error."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

from burnish.errors import BurnishError
from burnish.plan import Plan, read, to_bytes
from burnish.plan.format import HEADER_BYTES, canonical_json
from tests.plan.test_reader import forge

ODD_VALUES: list[Any] = [
    None, True, 0, -1, 1, 7, 1 << 61, 1 << 64, 10**400, 1.5, "", "x", "n", "k", "arena", "constant", [], [[]], {},
    [[1, "n"]], [[-3, "k", "n"]], [[1, ["floordiv", [[1, "n"]], [[1, "k"]]]]], [[1, ["mod", 5, 0]]], [["n", 1]],
    [[1, ["max", [[1, "n"]], [[2, "q"]]]]], {"step": "native"}, ["x", "x"], "code/0", "weights/0",
]  # fmt: skip
MUTATIONS = 1500


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def mutate(top: Any, generator: random.Random) -> None:
    """Replace, remove, repeat or swap something, somewhere."""
    *path, last = generator.choice([p for p in places(top) if p])
    parent = top
    for key in path:
        parent = parent[key]
    kind = generator.randrange(4)
    if kind == 0:
        del parent[last]
    elif kind == 1 and isinstance(parent, list):
        parent.append(copy.deepcopy(parent[last]))
    elif kind == 2 and isinstance(parent, list):
        parent.reverse()
    else:
        parent[last] = copy.deepcopy(generator.choice(ODD_VALUES))


def test_a_mutated_manifest_gives_a_plan_or_a_coded_error(small_plan: Plan) -> None:
    generator = random.Random(0)
    data = to_bytes(small_plan)
    size = int.from_bytes(data[16:24], "little")
    original = json.loads(data[HEADER_BYTES : HEADER_BYTES + size])
    refused = 0
    for _ in range(MUTATIONS):
        changed = copy.deepcopy(original)
        for _ in range(generator.choice((1, 1, 2, 3))):
            mutate(changed, generator)
        text = canonical_json(changed)
        try:
            read(forge(small_plan, lambda top, text=text: text))
        except BurnishError as error:
            assert error.code.startswith("E4")
            refused += 1
    assert refused > MUTATIONS // 2
