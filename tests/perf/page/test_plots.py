"""Each plot is well-formed, and has a mark for each level."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from burnish.perf.page.plots import curve_plot, level_color, load_plot, spectrum_plot, stage_times, stages_plot
from burnish.perf.report import Level
from tests.perf.made_report import made_report, made_result, times


def titles(plot: str) -> list[str]:
    return [e.text or "" for e in ElementTree.fromstring(plot).iter("title")]


def test_the_curve_has_a_point_for_each_level_and_percentile_the_knee_and_the_limit() -> None:
    plot = curve_plot(made_report(latency_limit_ms=30.0))
    assert len(titles(plot)) == 9
    assert "4 in flight: 390.0 per s, p99 12.000 ms" in titles(plot)
    assert ">knee<" in plot and ">limit 30 ms<" in plot
    assert ">knee<" not in curve_plot(made_report(made_result(1, 100, times(1))))


def test_points_further_up_have_more_latency_and_further_right_more_throughput() -> None:
    root = ElementTree.fromstring(curve_plot(made_report()))
    dots = [(float(e.attrib["cx"]), float(e.attrib["cy"])) for e in root.iter("circle")][:3]
    assert dots[0][0] < dots[1][0] < dots[2][0] and dots[0][1] > dots[1][1] > dots[2][1]


def test_the_load_plot_has_a_point_for_each_level_and_the_ideal_through_the_first() -> None:
    root = ElementTree.fromstring(load_plot(made_report()))
    ideal, found = (
        [tuple(map(float, p.split(","))) for p in e.attrib["points"].split()] for e in root.iter("polyline")
    )
    assert len(found) == 3 and ideal[0] == found[0]
    assert ideal[-1][1] <= found[-1][1] and ideal[-1][0] < found[-1][0]  # as high, further left
    rates = [made_result(v, v, times(1), level=Level(True, v)) for v in (100.0, 200.0)]
    root = ElementTree.fromstring(load_plot(made_report(*rates)))
    ideal, found = (
        [tuple(map(float, p.split(","))) for p in e.attrib["points"].split()] for e in root.iter("polyline")
    )
    assert (ideal[0], ideal[-1]) == (found[0], found[1])


def test_the_spectrum_has_two_lines_for_each_level() -> None:
    root = ElementTree.fromstring(spectrum_plot(made_report()))
    assert len(list(root.iter("polyline"))) == 6
    assert titles(spectrum_plot(made_report())) == ["1 in flight", "4 in flight", "16 in flight"]


def test_stages_add_up_to_the_mean_latency() -> None:
    result = made_result(1, 10, times(12, 14))
    assert sum(stage_times(result).values()) == pytest.approx(13)
    assert stage_times(result)["client"] == pytest.approx(3)
    assert "inference 5.000 ms" in titles(stages_plot(made_report(result)))[2]


def test_a_server_without_counters_has_no_stages() -> None:
    assert stages_plot(made_report(made_result(1, 10, times(12), server=()))) == ""


def test_levels_have_colours_of_their_own() -> None:
    assert len({level_color(i, 8) for i in range(8)}) == 8 and level_color(0, 1)
