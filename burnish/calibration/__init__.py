"""Choose the ranges of a model's tensors from samples, for codes of 8 bits."""

from burnish.calibration.find_ranges import calibrate
from burnish.calibration.gate.gate import meet_budget
from burnish.calibration.quantised_model import quantised_model
from burnish.calibration.range_file import is_range_file, load_ranges, save_ranges
from burnish.calibration.reports.compare_samples import compare
from burnish.calibration.reports.page import save_page
from burnish.calibration.reports.report_samples import report
from burnish.calibration.tensorrt_cache import is_cache
from burnish.calibration.verify_quantised import accuracy_of, profile_of, verify

__all__ = [
    "accuracy_of",
    "calibrate",
    "compare",
    "is_cache",
    "is_range_file",
    "load_ranges",
    "meet_budget",
    "profile_of",
    "quantised_model",
    "report",
    "save_page",
    "save_ranges",
    "verify",
]
