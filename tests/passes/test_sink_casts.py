"""sink_casts.py: a cast waits until elements are picked."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.sink_casts import SinkCast
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import assert_same_answers, random_feeds

I = {"i": np.array([3, 0, 5])}
FIRES = {
    "behind a flatten": "c = Cast <to=9> (x) f = Flatten <axis=2> (c) y = Gather <axis=0> (f, i)",
    "at once": "c = Cast <to=1> (x) y = Gather <axis=1> (c, i)",
}


@pytest.mark.parametrize("case", FIRES)
def test_the_cast_comes_last(case: str):
    model = build("int64[2,6] x", FIRES[case], **I)
    before = model.clone()
    lines = assert_fires_once(model, SinkCast())
    assert lines[-1].startswith("y = Cast(") and "Gather" in lines[-2]
    assert_same_answers(before, model, random_feeds(before))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("c = Cast <to=9> (x) [m] y = Gather <axis=1> (c, i) z = Not(c)", "2 users"),
        ("[m] y = Gather <axis=1> (x, i)", "no cast"),
        ("c = Neg(x) [m] y = Gather <axis=1> (c, i)", "no cast"),
    ],
)
def test_otherwise_it_stays(body: str, reason: str):
    assert reason in why(build("int64[2,6] x", body, **I), SinkCast(), "m")
