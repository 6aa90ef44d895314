"""How much is usual, by the narrowest type."""

from __future__ import annotations

import pytest

from burnish.doctor.limits import LAUNCH, launch_limit, width_of
from burnish.doctor.locate import written_graph
from burnish.doctor.meaning import meanings_of
from burnish.doctor.rebuilt import precision_of
from tests.doctor.planted import fitting_ranges, mlp
from tests.doctor.test_tasks import opened


@pytest.mark.parametrize(
    ("precision", "width"), [("fp32", "f32"), ("fp16", "f16"), ("int8", "codes"), ("bf16", "bf16")]
)
def test_the_narrowest_type_counts(precision: str, width: str) -> None:
    model = mlp()
    ranges = fitting_ranges(model) if precision == "int8" else None
    with opened(model, precision=precision, ranges=ranges) as tasks:
        plan = tasks.rebuilt.plan
        asked = precision_of(plan)
        meanings = meanings_of(written_graph(model, plan, tasks.rebuilt), tasks.rebuilt.analysis.model.graph)
        assert width_of(asked, tasks) == width
        assert launch_limit(tasks.boundaries[-1], tasks, meanings, asked) == LAUNCH[width]
