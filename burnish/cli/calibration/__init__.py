"""Commands for fewer bits: calibrate, accuracy."""
