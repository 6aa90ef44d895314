"""For all tests: properties may take their time, on a machine that is busy with other things; Ctrl-C is heeded."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

settings.register_profile("burnish", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("burnish")

# A shell makes what it runs in the background ignore Ctrl-C, and so would every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
