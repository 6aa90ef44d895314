"""The report as CSV: one line a level."""

from __future__ import annotations

import csv
import io

from burnish.perf.report import Report, Result
from burnish.perf.samples import PERCENTILES, Distribution

_SERVER = ("mean_batch", "queue_ms", "compute_input_ms", "compute_infer_ms", "compute_output_ms", "request_ms")


def csv_text(report: Report) -> str:
    """A header and a line for each level. Times are milliseconds; a cell that has no value is empty."""
    out = io.StringIO()
    rows = [_row(result, report.batch) for result in report.results]
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(out, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _row(result: Result, batch: int) -> dict[str, object]:
    own = result.server[0].as_dict() if result.server else {}
    return {
        "rate" if result.level.is_open else "concurrency": f"{result.level.value:g}",
        "throughput_per_s": f"{result.throughput_per_s:.3f}",
        "inferences_per_s": f"{result.throughput_per_s * batch:.3f}",
        "completed": result.completed,
        "failed": result.failed,
        "stable": result.is_stable,
        **_times("latency", result.latency),
        **_times("corrected", result.corrected),
        **(_times("first_response", result.first_response) if result.first_response else {}),
        **(_times("between_responses", result.between_responses) if result.between_responses else {}),
        "client_processor": f"{result.processor:.3f}",
        "send_delay_p99_ms": f"{result.send_delay_p99_ms:.4f}",
        **{f"server_{name}": f"{own[name]:.4f}" for name in _SERVER if name in own},
        "first_error": next(iter(sorted(result.errors, key=lambda m: -result.errors[m])), ""),
    }


def _times(name: str, found: Distribution) -> dict[str, str]:
    if not len(found.values_ms):
        return {}
    row = {f"{name}_mean_ms": f"{found.mean():.4f}"}
    row |= {f"{name}_p{p:g}_ms": f"{v:.4f}" for p, v in zip(PERCENTILES, found.percentiles(PERCENTILES))}
    return row
