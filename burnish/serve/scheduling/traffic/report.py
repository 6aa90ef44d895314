"""What shadow traffic has shown so far, for metrics and for people."""

from __future__ import annotations

from typing import Any

from burnish.serve.scheduling.traffic.shadow import Comparison


class OutputReport:
    """Of one output. requests: with a difference beyond the tolerance, or that could not be compared."""

    __slots__ = ("beyond", "elements", "max_abs", "max_rel", "problems", "requests", "unequal")

    def __init__(self) -> None:
        self.elements = self.unequal = self.beyond = self.requests = 0
        self.max_abs = self.max_rel = 0.0
        self.problems: dict[str, int] = {}


class ShadowReport:
    """A model's; called with each comparison."""

    def __init__(self) -> None:
        self.compared = self.failed = self.skipped = 0
        self.errors: dict[str, int] = {}
        self.outputs: dict[str, OutputReport] = {}

    def __call__(self, comparison: Comparison) -> None:
        self.compared += 1
        if comparison.error:
            self.failed += 1
            if comparison.error in self.errors or len(self.errors) < 20:
                self.errors[comparison.error] = self.errors.get(comparison.error, 0) + 1
        for found in comparison.differences:
            report = self.outputs.setdefault(found.output, OutputReport())
            report.elements += found.elements
            report.unequal += found.unequal
            report.beyond += found.beyond
            report.requests += bool(found.beyond or found.problem)
            report.max_abs = max(report.max_abs, found.max_abs)
            report.max_rel = max(report.max_rel, found.max_rel)
            if found.problem and (found.problem in report.problems or len(report.problems) < 20):
                report.problems[found.problem] = report.problems.get(found.problem, 0) + 1

    def skip(self) -> None:
        """A request that was not copied, since too many were under way in the shadow."""
        self.skipped += 1

    def as_json(self) -> dict[str, Any]:
        return {
            "compared": self.compared,
            "failed": self.failed,
            "skipped": self.skipped,
            "errors": self.errors,
            "outputs": {
                name: {
                    "elements": r.elements,
                    "unequal": r.unequal,
                    "beyond": r.beyond,
                    "requests": r.requests,
                    "max_abs": r.max_abs,
                    "max_rel": r.max_rel,
                    "problems": r.problems,
                }
                for name, r in sorted(self.outputs.items())
            },
        }
