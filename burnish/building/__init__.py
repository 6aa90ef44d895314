"""The whole story of a build: a model file becomes a plan, each stage timed."""

from __future__ import annotations

from burnish.building.analyze import Analysis, Explain, Progress, Stages, analyze
from burnish.building.build_plan import build

__all__ = ["Analysis", "Explain", "Progress", "Stages", "analyze", "build"]
