"""Choose the ranges of a model's tensors from samples, for codes of 8 bits."""

from burnish.calibration.find_ranges import calibrate
from burnish.calibration.quantised_model import quantised_model
from burnish.calibration.range_file import is_range_file, load_ranges, save_ranges

__all__ = ["calibrate", "is_range_file", "load_ranges", "quantised_model", "save_ranges"]
