"""Why a plan's answers are far from its model's, and what mends that."""

from __future__ import annotations

from burnish.doctor.diagnose import diagnose
from burnish.doctor.finding import Diagnosis, Finding, Remedy
from burnish.doctor.fix import write_fix
from burnish.doctor.page import write_page

__all__ = ["Diagnosis", "Finding", "Remedy", "diagnose", "write_fix", "write_page"]
