"""Pictures for what there is, and for what is not finite."""

from __future__ import annotations

import re

from burnish.doctor.finding import Picture, Row
from burnish.doctor.plots import error_plot, histogram_plot


def heights(svg: str, line: int) -> list[float]:
    points = re.findall(r'points="([^"]+)"', svg)[line].split()
    return [float(p.split(",")[1]) for p in points]


def test_the_error_that_a_launch_makes_stands_out() -> None:
    rows = [Row(f"t{n}", (), "f16", 1e-3, made, 4e-3) for n, made in enumerate((1e-4, 0.5, 1e-4))]
    text = error_plot(rows)
    limit, _, made = (heights(text, n) for n in range(3))
    assert made[1] < limit[1] and made[0] > limit[0] and made[2] > limit[2]  # upwards is less
    assert text.count("<circle") == 3 and "t1: 0.001, made there 0.5" in text and "nan" not in text


def test_what_is_not_finite_lies_at_the_top_and_zero_at_the_bottom() -> None:
    rows = [Row("a", (), "f16", float("inf"), 0.0, 4e-3), Row("b", (), "f16", 0.0, float("inf"), 4e-3)]
    whole, made = (heights(error_plot(rows), n) for n in (1, 2))
    assert whole[0] < whole[1] and made[1] < made[0] and made[1] == whole[0]
    assert "<svg" in error_plot([Row("only", (), "u8", 0.0, 0.0, 0.1)])


def test_a_histogram_marks_the_range_where_it_is_seen() -> None:
    picture = Picture("t", (-2.0, -1.0, 0.0, 1.0, 2.0), (1, 50, 40, 2), (0, 51, 42, 0), -1.0, 1.0)
    text = histogram_plot(picture)
    assert text.count('class="mark"') == 2 and "range of the codes: -1 to 1" in text
    assert len(re.findall(r"<polyline", text)) == 2
    bare = histogram_plot(Picture("t", (0.0, 1.0), (3,), (3,)))
    assert 'class="mark"' not in bare and "range of" not in bare
