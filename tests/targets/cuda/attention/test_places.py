"""Which rows an attention program has: the text is run as it stands, on numpy's numbers."""

from __future__ import annotations

from collections import Counter
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from burnish.target import parse_target
from burnish.targets.cuda.attention.kernel import Attention
from burnish.targets.cuda.attention.options import AttentionOptions
from burnish.targets.cuda.attention.places import Rows, row_exists, write_rows
from burnish.targets.cuda.text import KernelText
from tests.targets.cuda.attention.test_template import task

AMPERE = parse_target("cuda:sm_80")


def rows_of(number: int, attention: Attention) -> tuple[dict[str, Any], Rows, Any]:
    """What the names of a program's rows are worth, and which of its rows exist."""
    text = KernelText(attention.kernel.slots, AMPERE, attention.names)
    rows = write_rows(text, attention)
    language = SimpleNamespace(program_id=lambda axis: number, arange=np.arange)
    values: dict[str, Any] = {}
    exec("\n".join(line.strip() for line in text.lines), {"tl": language}, values)
    exists = eval(row_exists(text, attention, rows) or "True", {}, values)
    return values, rows, np.broadcast_to(exists, attention.block_m)


@pytest.mark.parametrize("packs", [False, True])
@pytest.mark.parametrize("queries", [1, 16, 37])
def test_every_query_of_every_head_is_a_row_of_one_program(queries: int, packs: bool):
    kernel = task((6, 2), (queries, 20), (16, 16))
    attention = Attention(kernel, AttentionOptions(16, 16, 1, packs, False, "none", 4, 2), AMPERE)
    found: Counter[tuple[int, int, int]] = Counter()
    assert isinstance(attention.programs, int)
    for number in range(attention.programs):
        values, rows, exists = rows_of(number, attention)
        heads = values[rows.heads] if rows.heads else np.full(attention.block_m, values[rows.head])
        assert set(heads[exists] // 3) == {values[rows.key_head]}
        found.update((values[rows.batch], *each) for each in zip(heads[exists], values[rows.queries][exists]))
    assert found == Counter(product(range(2), range(6), range(queries)))


def test_causal_programs_begin_with_the_longest_rows():
    kernel = task((1, 1), (64, 64), (16, 16), causal=True)
    attention = Attention(kernel, AttentionOptions(16, 16, 1, False, False, "none", 4, 2), AMPERE)
    first = [values[rows.queries][0] for values, rows, _ in (rows_of(number, attention) for number in range(4))]
    assert first == [48, 32, 16, 0]
