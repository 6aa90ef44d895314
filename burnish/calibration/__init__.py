"""Choose the ranges of a model's tensors from samples, for codes of 8 bits."""

from burnish.calibration.calibrate import calibrate

__all__ = ["calibrate"]
