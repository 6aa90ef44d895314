"""present.py: what callers get for outputs that are no numeric tensors, and the tensor again."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.plan.manifest import Presentation
from burnish.runtime.present import as_array, present


def test_maps_and_names_and_what_a_buffer_was_given_for():
    scores, labels = np.array([[0.25, 0.75], [1, 0]], np.float32), np.array([1, 0])
    results = {"scores": scores, "label": labels, "again": labels}
    shown = [Presentation("scores", "maps", (-1, 5)), Presentation("label", "names", ("cat", "dog"))]
    present(results, [*shown, Presentation("again", "names", ("cat", "dog"))], {"again": labels})
    assert results["scores"] == [{-1: 0.25, 5: 0.75}, {-1: 1.0, 5: 0.0}]
    assert results["label"].tolist() == ["dog", "cat"] and results["label"].dtype == object
    assert results["again"] is labels
    np.testing.assert_array_equal(as_array(results["scores"]), scores)


def test_one_row_of_rank_1_is_one_map_and_other_widths_are_an_error():
    results = {"scores": np.array([0.5, 0.25], np.float32)}
    present(results, [Presentation("scores", "maps", ("a", "b"))])
    assert results["scores"] == [{"a": 0.5, "b": 0.25}]
    with pytest.raises(ValueError, match="shorter"):
        present({"scores": np.zeros((1, 1))}, [Presentation("scores", "maps", ("a", "b"))])
