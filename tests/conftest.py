"""For all tests: properties may take their time, on a machine that is busy with other things."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("burnish", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("burnish")
