"""The text of what was measured: it comes back as it was, infinities included."""

from __future__ import annotations

import dataclasses
import json
import math

from burnish.precision.accuracy import (
    Accuracy,
    CurvePoint,
    Judged,
    LayerAccuracy,
    accuracy_bytes,
    parse_accuracy_bytes,
)
from burnish.precision.range_text import parse_ranges, range_bytes
from burnish.precision.ranges import Range, Ranges

MEASURED = Accuracy(
    (Judged("cos=0.001", 1e-4, 0.02), Judged("sqnr=30dB", math.inf, -math.inf)),
    7,
    (LayerAccuracy("a", (1e-3, 31.5), 0.25, "f32"), LayerAccuracy("b", None, -0.5, "int8")),
    (CurvePoint(0, 1.5, (0.02, -math.inf)), CurvePoint(1, 1.75, (1e-4, math.inf))),
    41,
    ("a note",),
)


def test_it_comes_back_from_its_text_which_is_json_as_the_standard_has_it() -> None:
    assert parse_accuracy_bytes(accuracy_bytes(MEASURED)) == MEASURED
    json.loads(accuracy_bytes(MEASURED), parse_constant=lambda word: 1 / 0)


def test_what_an_earlier_version_wrote_is_read() -> None:
    known = MEASURED.as_dict
    del known["passes"], known["notes"]
    assert parse_accuracy_bytes(json.dumps(known).encode()) == dataclasses.replace(MEASURED, passes=0, notes=())


def test_ranges_keep_it() -> None:
    ranges = Ranges({"x": Range(0, 1)}, accuracy=MEASURED)
    assert parse_ranges(range_bytes(ranges)) == ranges


def test_the_raised_layers_are_those_in_f32() -> None:
    assert MEASURED.raised == ("a",)
