"""Choose the ranges of a model's tensors from samples, for codes of 8 bits."""

from burnish.calibration.find_ranges import calibrate
from burnish.calibration.gate.gate import meet_budget
from burnish.calibration.quantised_model import quantised_model
from burnish.calibration.range_file import is_range_file, load_ranges, save_ranges
from burnish.calibration.tensorrt_cache import is_cache
from burnish.calibration.verify_quantised import accuracy_of, profile_of, verify

__all__ = [
    "accuracy_of",
    "calibrate",
    "is_cache",
    "is_range_file",
    "load_ranges",
    "meet_budget",
    "profile_of",
    "quantised_model",
    "save_ranges",
    "verify",
]
