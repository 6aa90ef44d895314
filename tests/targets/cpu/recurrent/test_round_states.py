"""round_states.py: an LSTM that rounds its states to 8 bits before each product, against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.targets.cpu.recurrent import template as recurrent
from tests.targets.cpu.recurrent.test_template import LEVELS, Case


def rounded(h):
    """By DynamicQuantizeLinear's formulas, in f32."""
    low, high = np.float32(min(h.min(), 0)), np.float32(max(h.max(), 0))
    scale = (high - low) / np.float32(255) if high > low else np.float32(1)
    zero = np.rint(-low / scale)
    return (np.clip(np.rint(h / scale) + zero, 0, 255) - zero) * scale


class RoundingCase(Case):
    def expected(self):
        x, w, r, h, c = (self.inputs[n].astype(np.float64) for n in ("x", "w", "r", "initial_h", "initial_c"))
        h, c, rows = h[0], c[0], []
        for step in x:
            gates = step @ w[0].T + rounded(h.astype(np.float32)).astype(np.float64) @ r[0].T
            enter, leave, forget = (1 / (1 + np.exp(-g)) for g in np.split(gates, 4, axis=1)[:3])
            c = forget * c + enter * np.tanh(np.split(gates, 4, axis=1)[3])
            h = leave * np.tanh(c)
            rows.append(h)
        return {"y": np.stack(rows)[:, None], "y_h": h[None], "y_c": c[None]}


@pytest.mark.parametrize("target", LEVELS, ids=str)
def test_one_range_holds_for_all_sequences_of_a_batch(target):
    """Nine hidden units fill no vector; the lanes beyond them are 0, which is in every range."""
    case = RoundingCase("LSTM", 5, 3, 4, 9, optional=("initial_h", "initial_c"), rounds_states=1)
    case.inputs["initial_h"] += np.arange(3, dtype=np.float32)[:, None]  # each sequence has another range
    case.run(target)


def test_states_that_are_all_zero_have_a_range():
    case = RoundingCase("LSTM", 2, 2, 3, 4, optional=("initial_h", "initial_c"), rounds_states=1)
    case.inputs["initial_h"][:] = 0
    case.run(LEVELS[-1])


def test_one_unit_has_the_whole_batch():
    case = RoundingCase("LSTM", 2, 7, 3, 4, optional=("initial_h", "initial_c"), rounds_states=1)
    found = recurrent.schedules(case.kernel(), LEVELS[-1])
    assert {recurrent.RecurrentOptions.read(s).rows for s in found} == {7}
