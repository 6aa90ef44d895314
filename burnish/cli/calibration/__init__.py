"""Commands for fewer bits: calibrate, calib, accuracy."""
