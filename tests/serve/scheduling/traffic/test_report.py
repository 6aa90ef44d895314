from burnish.serve.scheduling.traffic.difference import Difference
from burnish.serve.scheduling.traffic.report import ShadowReport
from burnish.serve.scheduling.traffic.shadow import Comparison


def test_comparisons_add_up():
    report = ShadowReport()
    report(Comparison("m", 1, 2, [Difference("A", 4, 2, 1, 0.5, 0.1)]))
    report(Comparison("m", 1, 2, [Difference("A", 4, 1, 0, 0.2, 0.3), Difference("B", problem="shape")]))
    report(Comparison("m", 1, 2, error="no"))
    report.skip()
    shown = report.as_json()
    assert shown["skipped"] == 1
    assert (shown["compared"], shown["failed"], shown["errors"]) == (3, 1, {"no": 1})
    assert shown["outputs"]["A"] == {
        "elements": 8, "unequal": 3, "beyond": 1, "requests": 1, "max_abs": 0.5, "max_rel": 0.3, "problems": {},
    }  # fmt: skip
    assert shown["outputs"]["B"]["problems"] == {"shape": 1} and shown["outputs"]["B"]["requests"] == 1


def test_it_does_not_grow_with_texts_that_differ_each_time():
    report = ShadowReport()
    for n in range(100):
        report(Comparison("m", 1, 2, [Difference("A", problem=f"shape {n}")], error=f"error {n}"))
    assert (len(report.errors), len(report.outputs["A"].problems), report.failed) == (20, 20, 100)
