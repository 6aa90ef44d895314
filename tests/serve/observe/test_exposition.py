import math

import pytest
from prometheus_client.parser import text_string_to_metric_families

from burnish.serve.observe.exposition import COUNTER, GAUGE, HISTOGRAM, Family, format_number, label_text, page


def test_a_page_is_read_back_by_prometheus_own_parser():
    gauge = Family("g", GAUGE, 'a "help"\nof two \\ lines')
    gauge.add(1.5, label_text(model='a"b\\c\nd'))
    histogram = Family("h", HISTOGRAM, "durations")
    histogram.add_histogram(("0.1", "1"), (2, 3, 4), 7.5, label_text(model="m"))
    g, h = text_string_to_metric_families(page([gauge, histogram]).decode())
    assert (g.documentation, g.type) == ('a "help"\nof two \\ lines', "gauge")
    assert (g.samples[0].labels, g.samples[0].value) == ({"model": 'a"b\\c\nd'}, 1.5)
    found = {(s.name, s.labels.get("le")): s.value for s in h.samples}
    assert found == {
        ("h_bucket", "0.1"): 2,
        ("h_bucket", "1"): 3,
        ("h_bucket", "+Inf"): 4,
        ("h_sum", None): 7.5,
        ("h_count", None): 4,
    }


def test_a_counter_keeps_its_name_and_an_empty_family_is_left_out():
    counter = Family("nv_inference_count", COUNTER, "of inferences")
    counter.add(12)
    told = b"# HELP nv_inference_count of inferences\n# TYPE nv_inference_count counter\nnv_inference_count 12\n"
    assert page([Family("empty", GAUGE, "nothing"), counter]) == told


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (3.0, "3"), (0.25, "0.25"), (1e-06, "1e-06"), (1e22, "1e+22"), (10**20, "1" + "0" * 20),
        (math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN"),
    ],
)  # fmt: skip
def test_a_number_is_written_as_go_reads_it(value, text):
    assert format_number(value) == text
