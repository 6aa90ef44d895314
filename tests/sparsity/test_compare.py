"""compare.py: the answers of a pruned model beside the model's own."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.errors import UserError
from burnish.sparsity import compare, prune
from tests.sparsity.test_prune import MODEL, answers, distance, samples


def test_the_comparison_is_with_the_model_as_it_was() -> None:
    given, others = samples()
    pruned = prune(MODEL, "2:4", data=given).model
    found = compare(MODEL, pruned, others)
    wanted = distance(answers(pruned, others), answers(MODEL, others))
    assert found.samples == len(others) and found.sqnr == pytest.approx(-20 * np.log10(wanted), abs=0.05)


def test_without_samples_nothing_is_compared() -> None:
    with pytest.raises(UserError) as caught:
        compare(MODEL, MODEL, [])
    assert caught.value.code == "E721"
