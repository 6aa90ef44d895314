"""Burnish's own parameters of a configuration: read, and checked against the model that they stand beside."""

from burnish.serve.config.options.build import Build, Range
from burnish.serve.config.options.options import KEYS, Bucket, Options, Shadow, Traffic
from burnish.serve.config.options.values import Axis

__all__ = ["KEYS", "Axis", "Bucket", "Build", "Options", "Range", "Shadow", "Traffic"]
