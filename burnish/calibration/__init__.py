"""Choose the ranges of a model's tensors from samples, for codes of 8 bits."""

from burnish.calibration.find_ranges import calibrate
from burnish.calibration.gate.draw_curve import draw_curve
from burnish.calibration.gate.evaluation import Evaluation
from burnish.calibration.gate.gate import build_within, meet_budget
from burnish.calibration.gate.recheck import Rechecked, accuracy_of, ranges_of, recheck
from burnish.calibration.quantised_model import quantised_model, save_model
from burnish.calibration.range_file import is_range_file, load_ranges, save_ranges
from burnish.calibration.reports.compare_samples import compare
from burnish.calibration.reports.page import save_page
from burnish.calibration.reports.report_samples import report
from burnish.calibration.tensorrt_cache import is_cache
from burnish.calibration.verify_quantised import profile_of, verify

__all__ = [
    "Evaluation",
    "Rechecked",
    "accuracy_of",
    "build_within",
    "calibrate",
    "compare",
    "draw_curve",
    "is_cache",
    "is_range_file",
    "load_ranges",
    "meet_budget",
    "profile_of",
    "quantised_model",
    "ranges_of",
    "recheck",
    "report",
    "save_model",
    "save_page",
    "save_ranges",
    "verify",
]
